"""What a person sees of a replay, on a terminal and in a file."""

import io
import re
import time

from rich.console import Console

from twinsight_replay.playing import State, Status
from twinsight_replay.status_line import line, Moments, shown, Throughput

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
STATUS = Status(
    State.PLAYING, paused=False, rate=1.1, position_ns=T0 + 43 * SECOND, start_ns=T0,
    end_ns=T0 + 100 * SECOND, lag_ns=240_000, loop=0, messages=12_345, bytes=6_000_000,
)


def until(happened):
    end_s = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end_s, 'it does not happen'
        time.sleep(0.01)


def test_a_line_tells_what_the_player_does():
    assert line(STATUS, 1_234.4, 3_400_000.0) == (
        'at 2023-11-14 22:14:03.000 UTC, 43%, PLAYING, rate 1.1, 0.2 ms late, 12,345 messages, '
        '1,234/s, 3.4 MB/s'
    )
    assert ', PAUSED (loop 2), ' in line(STATUS._replace(state=State.PAUSED, loop=2), 0, 0)


def test_the_share_is_of_what_is_played():
    def share(**changes):
        return re.search(r'(\S+)%', line(STATUS._replace(**changes), 0, 0))[1]

    assert share(position_ns=T0) == '0'
    assert share(position_ns=T0 - SECOND) == '0'
    assert share(position_ns=T0 + 101 * SECOND) == '100'  # the last message is published late
    assert share(start_ns=T0 + 33 * SECOND, end_ns=T0 + 53 * SECOND) == '50'
    one = {'start_ns': T0, 'position_ns': T0, 'end_ns': T0}
    assert (share(**one), share(**one, state=State.FINISHED)) == ('0', '100')


def test_throughput_is_that_of_the_last_2_s():
    throughput = Throughput()

    def at(second, messages):
        return throughput.of(STATUS._replace(messages=messages, bytes=messages * 10), second)

    assert at(5.0, 300) == (0, 0)
    assert at(5.5, 350) == (100, 1_000)
    assert at(7.0, 400) == (50, 500)
    assert at(7.5, 400) == (25, 250)  # since 5.5
    assert at(9.0, 400) == (0, 0)


def test_a_line_is_due_every_5_s_and_where_waiting_begins_or_ends():
    moments = Moments(100.0)
    assert [moments.is_due(State.PLAYING, second) for second in (100.5, 104.9, 105.0, 105.5)] == [
        False, False, True, False,
    ]
    assert not moments.is_due(State.PAUSED, 106.0)
    assert moments.is_due(State.WAITING, 107.0)
    assert not moments.is_due(State.WAITING, 107.5)
    assert moments.is_due(State.WAITING, 112.0)
    assert moments.is_due(State.PLAYING, 112.5)
    assert not moments.is_due(State.PLAYING, 117.4)


def test_in_a_file_it_is_lines():
    file = io.StringIO()
    now = STATUS
    with shown(Console(file=file, width=40), lambda: now):
        now = STATUS._replace(state=State.WAITING)
        until(lambda: file.getvalue().count('\n') == 1)
        now = STATUS
        until(lambda: file.getvalue().count('\n') == 2)
    waiting, playing = file.getvalue().splitlines()
    assert waiting.startswith('at 2023-11-14 22:14:03.000 UTC, 43%, WAITING, rate 1.1, ')
    assert playing.startswith('at 2023-11-14 22:14:03.000 UTC, 43%, PLAYING, rate 1.1, ')


def test_on_a_terminal_a_bar_follows_the_player_and_its_last_state_stays():
    file = io.StringIO()
    now = STATUS
    with shown(Console(file=file, width=80, force_terminal=True, color_system=None), lambda: now):
        until(lambda: '43% PLAYING' in file.getvalue())
        now = STATUS._replace(position_ns=T0 + 60 * SECOND, rate=2.0)
        until(lambda: '60% PLAYING' in file.getvalue())
        now = STATUS._replace(position_ns=T0 + 100 * SECOND, state=State.FINISHED)
    bar, numbers = re.sub(r'\x1b\[[?0-9]*[A-Za-z]', '', file.getvalue()).splitlines()[-2:]
    assert re.fullmatch(r'2023-11-14 22:15:00.000 UTC ━+ 100% FINISHED\s*', bar)
    assert numbers.startswith('rate 1.1, 0.2 ms late, 12,345 messages, 0/s, 0 bytes/s')
