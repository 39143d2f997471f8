"""Keys typed on a pseudo-terminal, and what the player does then."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from types import SimpleNamespace

import pytest

from twinsight_replay import keyboard, terminal_keys
from twinsight_replay.controls import Controls
from twinsight_replay.keyboard import faster, Keyboard, slower
from twinsight_replay.piece_queue import Piece
from twinsight_replay.play_options import PlayOptions
from twinsight_replay.player import Player
from twinsight_replay.playing import State
from twinsight_replay.wakeup import Wakeup
from twinsight_store.channel import Channel
from twinsight_store.message import END_OF_TIME_NS, Message

CHANNEL = Channel('/odom', 'nav_msgs/msg/Odometry')
T0 = 1_700_000_000_000_000_000  # 22:13:20
SECOND = 1_000_000_000
UP, DOWN, RIGHT, LEFT = (b'\x1b[' + letter for letter in (b'A', b'B', b'C', b'D'))
SLOW = 0.000_01  # in a minute of the test the position moves by less than a millisecond
PATIENCE_S = 20


class Feed:
    """A message every 10 s, for 100 s; gives only the first two where it stalls."""

    span_ns = (T0, T0 + 100 * SECOND)

    def __init__(self, stalls):
        self.stalls = stalls

    def start(self, from_ns, latched=False):
        times = [T0 + n * 10 * SECOND for n in range(11)]
        messages = [Message(CHANNEL, t, t, 0, b'four', {}) for t in times if t >= (from_ns or 0)]
        if self.stalls:
            self.pieces = [Piece(messages[:2], messages[2].receive_ns)]
        else:
            self.pieces = [Piece(messages, END_OF_TIME_NS)]

    def take(self):
        return self.pieces.pop() if self.pieces else None


class Nobody:
    """Where messages go to."""

    def publish(self, message, late_ns):
        pass

    def latch(self, message):
        pass

    def jump(self, jump):
        pass


def player_of(options, stalls=False):
    return Player(Feed(stalls), Nobody(), Wakeup(), options)


class Typing:
    """A terminal, a player that runs, and the keyboard between them; `said` is what it says."""

    def __init__(self, options=None, stalls=False):
        self.player = player_of(options or PlayOptions(paused=True), stalls)
        self.master, self.terminal = pty.openpty()
        self.said = []
        self.controls = Controls(self.player)
        self.keyboard = Keyboard(self.controls, self.said.append, self.terminal)

    def __enter__(self):
        self.thread = threading.Thread(target=self.player.run, daemon=True)
        self.thread.start()
        self.keyboard.__enter__()
        return self

    def __exit__(self, *error):
        self.keyboard.__exit__(*error)
        self.player.close()
        self.thread.join()
        os.close(self.master)
        os.close(self.terminal)

    def type(self, keys, lines=1):
        """Type keys; return the last of so many lines that are said then."""
        lines += len(self.said)
        os.write(self.master, keys)
        until(lambda: len(self.said) == lines)
        return self.said[-1]

    @property
    def status(self):
        return self.player.status()

    @property
    def second(self):
        return (self.status.position_ns - T0) / SECOND


def until(happened):
    """Wait until something has happened."""
    end_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end_s, 'it does not happen'
        time.sleep(0.002)


@pytest.fixture
def in_turn(monkeypatch):
    """Let a key wait for what the one before it does, however long this machine takes for it."""
    monkeypatch.setattr(keyboard, '_PATIENCE_S', PATIENCE_S)


def is_set_for_keys(terminal):
    return not termios.tcgetattr(terminal)[3] & (termios.ICANON | termios.ECHO)


def test_space_goes_on_and_pauses():
    with Typing(PlayOptions(paused=True, rate=SLOW)) as typing:
        assert typing.type(b' ') == 'playing from 2023-11-14 22:13:20.000 UTC'
        assert not typing.status.paused
        assert typing.type(b' ').startswith('paused at 2023-11-14 22:13:2')
        assert typing.status.paused


@pytest.mark.usefixtures('in_turn')
@pytest.mark.parametrize('right', [RIGHT, b'\x1bOC'])
def test_right_plays_the_next_message_while_paused(right):
    with Typing() as typing:
        assert typing.type(right) == 'one message, at 2023-11-14 22:13:20.000 UTC'
        assert typing.type(right + right, 2) == 'one message, at 2023-11-14 22:13:40.000 UTC'
        assert (typing.status.messages, typing.second) == (3, 20)


@pytest.mark.usefixtures('in_turn')
def test_right_goes_on_5_s_while_playing():
    with Typing(PlayOptions(rate=SLOW)) as typing:
        typing.type(RIGHT)
        assert 5 <= typing.second < 9
        typing.type(b'9' + RIGHT, 2)
        assert 95 <= typing.second < 99
        said = typing.type(RIGHT)
        assert said == 'the end, 2023-11-14 22:15:00.000 UTC, is less than 5 s away'
        assert 95 <= typing.second < 99


@pytest.mark.usefixtures('in_turn')
@pytest.mark.parametrize('left', [LEFT, b'\x1bOD'])
def test_left_goes_back_5_s_and_not_before_the_start(left):
    with Typing() as typing:
        assert typing.type(b'1' + left, 2) == 'at 2023-11-14 22:13:25.000 UTC'
        assert typing.second == 5
        typing.type(left + left, 2)
        assert typing.second == 0


def test_digits_go_to_tenths_of_what_is_played():
    with Typing(PlayOptions(paused=True, offset_ns=20 * SECOND)) as typing:
        for digit in range(10):
            typing.type(b'%d' % digit)
            assert typing.second == 20 + digit * 8


@pytest.mark.usefixtures('in_turn')
def test_up_and_down_change_the_rate_by_a_tenth():
    with Typing() as typing:
        assert typing.type(UP) == 'rate 1.1'
        typing.type(UP)
        assert typing.status.rate == 1.21
        typing.type(DOWN * 3, 3)
        assert typing.status.rate == 0.91


def test_every_rate_from_the_least_one_on_can_be_reached_and_left():
    rates = [0.01]
    while rates[-1] < 100:
        rates.append(faster(rates[-1]))
        assert rates[-1] >= rates[-2] + 0.0099
    while rates[-1] > 0.01:
        rates.append(slower(rates[-1]))
        assert rates[-1] <= rates[-2] - 0.0099
    assert rates[-1] == slower(0.01) == 0.01
    assert (slower(0.001), faster(0.001)) == (0.001, 0.01)
    assert slower(float('inf')) == faster(float('inf')) == float('inf')


@pytest.mark.usefixtures('in_turn')
def test_q_stops():
    with Typing() as typing:
        assert typing.type(b'3q', 2) == 'stopped at 2023-11-14 22:13:50.000 UTC'
        typing.thread.join()
        assert typing.status.state is State.FINISHED


@pytest.mark.usefixtures('in_turn')
def test_at_the_end_keys_say_so():
    with Typing(PlayOptions(paused=True, stay=True)) as typing:
        typing.type(b'9' + RIGHT * 2, 3)
        until(lambda: typing.status.state is State.FINISHED)
        assert typing.type(RIGHT) == 'at the end, 2023-11-14 22:15:00.000 UTC'
        assert typing.type(b' ') == 'at the end, 2023-11-14 22:15:00.000 UTC'
        typing.type(LEFT)
        assert typing.second >= 95


@pytest.mark.parametrize('key', [b'h', b'?'])
def test_help_names_the_keys(key):
    with Typing() as typing:
        said = typing.type(key)
        for name in ('space', 'right', 'left', 'up', 'down', '0 to 9', 'q'):
            assert f'{name}:' in said or f'{name},' in said


@pytest.mark.usefixtures('in_turn')
@pytest.mark.parametrize('keys', [
    b'xQ\r\t\x7f\x04', 'äß→'.encode(), b'\x1b\x1bx', b'\x1bq', b'\x1bOP', b'\x1b[1;5C', b'\x1b[3~',
    b'\x1b[', b'\x1bO', b'\x1b[1;',
])
def test_unknown_keys_and_sequences_that_are_not_whole_do_nothing(keys):
    with Typing(PlayOptions(paused=True, rate=SLOW)) as typing:
        typing.type(b'3' + LEFT, 2)
        assert typing.type(keys + b' ') == 'playing from 2023-11-14 22:13:45.000 UTC'
        assert (typing.status.rate, typing.status.messages) == (SLOW, 0)


def test_a_sequence_that_comes_in_parts_is_one_key(monkeypatch):
    monkeypatch.setattr(terminal_keys, '_HALF_S', PATIENCE_S)
    with Typing() as typing:
        for byte in RIGHT[:-1]:
            os.write(typing.master, bytes([byte]))
            until(lambda: not has_input(typing.terminal))
        assert typing.type(RIGHT[-1:]) == 'one message, at 2023-11-14 22:13:20.000 UTC'


def test_what_comes_long_after_half_a_sequence_is_a_key(monkeypatch):
    nothing_came = threading.Event()

    def waited(*given):
        found = select.select(*given)
        if given[3] == terminal_keys._HALF_S and not any(found):
            nothing_came.set()
        return found

    monkeypatch.setattr(terminal_keys, 'select', SimpleNamespace(select=waited))
    with Typing() as typing:
        os.write(typing.master, b'\x1b[')
        assert nothing_came.wait(PATIENCE_S)
        assert typing.type(b'5') == 'at 2023-11-14 22:14:10.000 UTC'


def test_half_a_sequence_does_not_keep_it_from_ending():
    with Typing() as typing:
        os.write(typing.master, b'\x1b[')
    assert typing.said == []


def test_while_the_next_message_is_waited_for_other_keys_are_obeyed():
    with Typing(stalls=True) as typing:
        typing.type(RIGHT)
        typing.type(RIGHT)
        os.write(typing.master, RIGHT)  # there is none
        until(lambda: typing.player._burst)
        typing.type(UP)
        assert typing.status.rate == 1.1
        typing.type(b' ', 2)
        assert 'no message played' in typing.said
        assert not typing.status.paused


def test_it_ends_where_the_player_does_not_run():
    typing = Typing()
    with typing.keyboard:
        os.write(typing.master, b'   ')
        until(lambda: not has_input(typing.terminal))
    assert typing.said == []


def has_input(terminal):
    waiting = bytearray(4)
    fcntl.ioctl(terminal, termios.FIONREAD, waiting)
    return any(waiting)


@pytest.mark.parametrize('error', [None, KeyboardInterrupt, OSError])
def test_the_terminal_is_given_back_as_it_was_found(error):
    typing = Typing()
    found = termios.tcgetattr(typing.terminal)
    found[3] &= ~termios.ECHOE  # not as every terminal is
    termios.tcsetattr(typing.terminal, termios.TCSANOW, found)
    try:
        with typing:
            assert is_set_for_keys(typing.terminal)
            assert termios.tcgetattr(typing.terminal)[3] & termios.ISIG  # Ctrl-C, Ctrl-Z
            terminal = os.dup(typing.terminal)
            master = os.dup(typing.master)
            if error:
                raise error
    except (KeyboardInterrupt, OSError) as raised:
        assert type(raised) is error
    assert termios.tcgetattr(terminal) == found
    os.close(terminal)
    os.close(master)


def test_where_the_terminal_goes_away_playing_goes_on():
    with Typing() as typing:
        os.close(typing.master)
        until(lambda: 'twinsight-keyboard' not in [each.name for each in threading.enumerate()])
        assert typing.status.state is State.PAUSED
        typing.master = os.open(os.devnull, os.O_RDONLY)


def test_from_a_pipe_nothing_is_read():
    out, into = os.pipe()
    os.write(into, b'q')
    said = []
    with Keyboard(Controls(player_of(PlayOptions())), said.append, out):
        pass
    assert os.read(out, 10) == b'q'
    assert said == []
    os.close(out)
    os.close(into)


class Job:
    """A player in a process of its own, which a shell of ours moves to and from the foreground."""

    def __init__(self):
        self.master, self.terminal = pty.openpty()
        self.shell = subprocess.Popen(
            [sys.executable, __file__, str(self.terminal)], pass_fds=[self.terminal],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shell.communicate()
        os.close(self.master)
        os.close(self.terminal)

    def hear(self):
        return self.shell.stdout.readline().rstrip()

    def tell(self, word):
        print(word, file=self.shell.stdin)
        return self.hear()


def test_in_the_background_the_terminal_is_left_alone():
    with Job() as job:
        found = termios.tcgetattr(job.terminal)
        assert job.hear() == 'it runs'
        os.write(job.master, b'for the shell\n')
        assert job.tell('read') == 'for the shell'
        assert termios.tcgetattr(job.terminal) == found

        for told in ('playing from 2023-11-14 22:13:20', 'paused at 2023-11-14 22:13:2'):
            assert job.tell('foreground') == 'done'
            until(lambda: is_set_for_keys(job.terminal))
            os.write(job.master, b' ')
            assert job.hear().startswith(told)
            assert job.tell('suspend') == 'done'
            termios.tcsetattr(job.terminal, termios.TCSANOW, found)  # as a shell does
            assert job.tell('background') == 'done'
            os.write(job.master, b'q for the shell\n')
            assert job.tell('read') == 'q for the shell'
            assert termios.tcgetattr(job.terminal) == found

        assert job.tell('foreground') == 'done'
        until(lambda: is_set_for_keys(job.terminal))
        os.write(job.master, b'q')
        assert job.hear().startswith('stopped at')
        assert job.hear() == 'it ended'
        assert termios.tcgetattr(job.terminal) == found


def be_a_shell(terminal):
    """Start the player in the background; obey the words on the standard input."""
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    job = os.fork()
    if not job:
        os.setpgid(0, 0)
        os.dup2(terminal, 0)
        be_a_job()
        os._exit(0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    for word in map(str.rstrip, sys.stdin):
        if word == 'read':
            print(os.read(terminal, 100).decode().rstrip(), flush=True)
            continue
        if word == 'suspend':
            os.kill(job, signal.SIGTSTP)
            os.waitpid(job, os.WUNTRACED)
            os.tcsetpgrp(terminal, os.getpgrp())
        else:
            os.tcsetpgrp(terminal, job if word == 'foreground' else os.getpgrp())
            os.kill(job, signal.SIGCONT)
        print('done', flush=True)
    os.kill(job, signal.SIGKILL)  # where the test has failed it is still there


def be_a_job():
    player = player_of(PlayOptions(paused=True, rate=SLOW))
    with Keyboard(Controls(player), lambda text: print(text, flush=True)):
        print('it runs', flush=True)
        player.run()
    print('it ended', flush=True)


if __name__ == '__main__':
    be_a_shell(int(sys.argv[1]))
