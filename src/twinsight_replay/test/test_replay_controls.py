"""Services, status and live parameters of a replay that runs, as other nodes see them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
import math
from pathlib import Path
import statistics
import time
from typing import TYPE_CHECKING

from builtin_interfaces.msg import Duration
import pytest
from pytest_ros import wait_until
import yaml

from twinsight_interfaces.msg import ReplayJump, ReplayStatus
from twinsight_replay.ros_times import to_msg, to_ns

if TYPE_CHECKING:
    from conftest import Drive, Operator

SECOND = 1_000_000_000
CLOCK, JUMPED, TF_STATIC = '/clock', '/replay/jumped', '/tf_static'


@pytest.fixture
def watched(operator: Operator, drive: Drive) -> Operator:
    """Give an operator who sees all topics of the drive."""
    operator.watch(*drive.channels)
    return operator


def numbers(operator: Operator, since_ns: int = 0) -> list[int]:
    return [int(text) for text in operator.texts('/odom', since_ns)]


def position_ns(status: ReplayStatus) -> int:
    return to_ns(status.position)


def speed(statuses: list[ReplayStatus]) -> float:
    """Return how fast the position goes as most of them tell; it may begin again between two."""
    return statistics.median(
        (position_ns(later) - position_ns(earlier))
        / (to_ns(later.header.stamp) - to_ns(earlier.header.stamp))
        for earlier, later in pairwise(statuses)
    )


def jumps(operator: Operator) -> list[tuple[int, bool, int, int]]:
    """Return reason, backwards, from and to of every jump."""
    return [
        (each.reason, each.backwards, to_ns(each.from_position), to_ns(each.to_position))
        for each in operator.messages(JUMPED)
    ]


def seek(operator: Operator, to_ns_: int) -> int:
    """Seek; return when the jump was told: what came later belongs to the new position."""
    before = len(operator.seen(JUMPED))
    assert operator.seek(to_ns_)
    wait_until(lambda: len(operator.seen(JUMPED)) > before)
    return operator.seen(JUMPED)[-1].source_ns


def test_pausing_and_the_rate_follow_services_and_parameters(
    watched: Operator, drive: Drive
) -> None:
    operator = watched
    playing = operator.start('--stay', '--loop')
    status = operator.wait_for(ReplayStatus.PLAYING)
    assert (status.paused, status.rate, status.loop) == (False, 1.0, 0)
    assert to_ns(status.start) == drive.start_ns
    assert to_ns(status.end) == pytest.approx(drive.at_ns(drive.count - 1), abs=drive.step_ns)
    statuses = operator.told(12)
    stamps = [to_ns(each.header.stamp) / 1e9 for each in statuses]
    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    assert statistics.median(gaps) == pytest.approx(0.1, abs=0.03)
    assert speed(statuses) == pytest.approx(1.0, abs=0.1)
    behind = [
        (position_ns(each) - drive.start_ns) / drive.step_ns - each.published for each in statuses
    ]
    assert statistics.median(map(abs, behind)) <= 6  # with map, tf_static; late 80 ms
    assert not operator.ask('is_paused').paused and operator.get('paused') is False

    operator.ask('pause')
    since_ns = time.time_ns()
    assert operator.ask('is_paused').paused
    first, *_, last = operator.told(3)
    assert (first.state, first.paused) == (ReplayStatus.PAUSED, True)
    assert position_ns(first) == position_ns(last)
    assert operator.get('paused') is True
    assert numbers(operator, since_ns) == []
    operator.ask('toggle_paused')
    assert not operator.ask('is_paused').paused
    assert operator.set('paused', True).successful
    assert operator.ask('is_paused').paused
    operator.ask('resume')
    operator.wait_for(ReplayStatus.PLAYING)
    assert operator.get('paused') is False

    assert operator.ask('set_rate', rate=4.0).success
    assert operator.ask('get_rate').rate == 4.0
    assert speed(operator.told(8)) == pytest.approx(4.0, rel=0.15)
    assert operator.get('rate') == 4.0
    for rate in (0.0, -1.0, math.nan):
        assert not operator.ask('set_rate', rate=rate).success
        refused = operator.set('rate', rate)
        assert not refused.successful
        assert refused.reason == f'rate {rate}: accepted is a number above 0'
    assert operator.ask('get_rate').rate == 4.0
    assert operator.set('rate', 2.0).successful
    assert operator.ask('get_rate').rate == 2.0
    assert speed(operator.told(8)) == pytest.approx(2.0, rel=0.15)
    for name, value, reason in (
        ('paused', 'no', 'paused no: accepted is true or false'),
        ('rate', 'fast', 'rate fast: accepted is a number above 0'),
        ('loop', True, 'Trying to set a read-only parameter: loop.'),
        ('robot', 'robot_07', 'Trying to set a read-only parameter: robot.'),
    ):
        refused = operator.set(name, value)
        assert (refused.successful, refused.reason) == (False, reason)
    assert playing.running and operator.status.rate == 2.0


def test_stepping_plays_exactly_what_was_asked_for(watched: Operator, drive: Drive) -> None:
    operator = watched
    operator.start('--start-paused', '--stay', '--topic', '/odom')
    status = operator.wait_for(ReplayStatus.PAUSED)
    assert (position_ns(status), status.published) == (drive.start_ns, 0)
    assert operator.ask('play_next').success
    assert operator.ask('burst', num_messages=5).actually_burst == 5
    [status] = operator.told(1)
    operator.settle(lambda: len(numbers(operator)) >= 6)
    assert numbers(operator) == list(range(6))
    assert (status.published, status.published_bytes) == (6, sum(
        len(data) for where, _, data in drive.messages[4:10]
    ))
    assert (status.state, position_ns(status)) == (ReplayStatus.PAUSED, drive.at_ns(5))

    operator.ask('resume')
    assert not operator.ask('play_next').success
    assert operator.ask('burst', num_messages=3).actually_burst == 0
    assert operator.ask('burst', num_messages=0).actually_burst == 0
    wait_until(lambda: len(numbers(operator)) > 20)
    operator.ask('pause')
    [status] = operator.told(1)
    left = drive.count - status.published
    assert operator.ask('burst', num_messages=0).actually_burst == left
    status = operator.wait_for(ReplayStatus.FINISHED)
    operator.settle(lambda: len(numbers(operator)) >= drive.count)
    assert numbers(operator) == list(range(drive.count))
    assert (status.published, position_ns(status)) == (drive.count, drive.at_ns(drive.count - 1))
    assert not operator.ask('play_next').success
    assert operator.ask('burst', num_messages=1).actually_burst == 0


def test_a_seek_begins_with_what_was_latched_then(watched: Operator, drive: Drive) -> None:
    operator = watched
    operator.start('--start-paused', '--stay')
    operator.wait_for(ReplayStatus.PAUSED)
    at_ns = drive.start_ns
    for number, sites, frames in (
        (150, ['map 0'], ['camera']), (400, ['map 1'], ['camera', 'lidar']),
        (50, ['map 0'], ['camera']),
    ):
        target_ns = drive.at_ns(number) - drive.step_ns // 2
        since_ns = seek(operator, target_ns)
        assert jumps(operator)[-1] == (ReplayJump.SEEK, target_ns < at_ns, at_ns, target_ns)
        assert position_ns(operator.told(1)[0]) == target_ns
        assert operator.ask('play_next').success
        operator.settle(partial(numbers, operator, since_ns))
        seen = operator.seen('/odom', '/map', TF_STATIC, since_ns=since_ns)
        assert [each.topic for each in seen].index('/odom') == len(seen) - 1
        assert numbers(operator, since_ns) == [number]
        assert operator.texts('/map', since_ns) == sites
        assert [
            transform.child_frame_id
            for each in operator.messages(TF_STATIC, since_ns) for transform in each.transforms
        ] == frames
        at_ns = drive.at_ns(number)
    operator.watch(drive.channels[1], latched=True)  # who comes late gets the same
    wait_until(lambda: operator.texts('/map', since_ns) == ['map 0', 'map 0'])

    count = len(jumps(operator))
    assert not operator.seek(drive.at_ns(drive.count) + SECOND)
    assert position_ns(operator.told(1)[0]) == at_ns
    assert len(jumps(operator)) == count
    since_ns = seek(operator, drive.start_ns - 100 * SECOND)
    assert operator.ask('burst', num_messages=5).actually_burst == 5
    operator.settle(lambda: len(numbers(operator, since_ns)) >= 3)
    assert numbers(operator, since_ns) == [0, 1, 2]  # the others are /map and /tf_static


def test_the_clock_goes_back_where_a_jump_does_only(watched: Operator, drive: Drive) -> None:
    operator = watched
    operator.start('--clock', '1000', '--stay')
    operator.wait_for(ReplayStatus.PLAYING)
    for number in (300, 100, 250, 200, 150, 400, 50, 0, 60, 30) * 6:
        assert operator.seek(drive.at_ns(number))
    operator.ask('stop')
    stopped_ns = time.time_ns()
    operator.settle(lambda: operator.seen(CLOCK, since_ns=stopped_ns))
    clock_ns = operator.clock_ns()
    back = [later for earlier, later in pairwise(clock_ns) if later < earlier]
    backwards = [to for _, is_back, _, to in jumps(operator) if is_back]
    assert back == backwards
    assert len(jumps(operator)) == 60 and 30 < len(backwards) < 60
    assert drive.start_ns <= min(clock_ns) and max(clock_ns) <= drive.at_ns(drive.count)
    assert {to for *_, to in jumps(operator)} <= set(clock_ns)


def test_stopped_it_stays_and_plays_parts_again(watched: Operator, drive: Drive) -> None:
    operator = watched
    playing = operator.start('--stay', '--topic', '/odom')
    operator.wait_for(ReplayStatus.PLAYING)
    assert not operator.ask('play').success  # while it plays
    operator.ask('stop')
    operator.wait_for(ReplayStatus.FINISHED)
    operator.settle()
    since_ns = time.time_ns()
    at_ns = position_ns(operator.status)

    assert operator.ask(
        'play', start_offset=to_msg(2 * SECOND), playback_duration=Duration(nanosec=200_000_000)
    ).success
    wait_until(lambda: numbers(operator, since_ns)[-1:] == [110])
    operator.wait_for(ReplayStatus.FINISHED)
    operator.settle()
    assert numbers(operator, since_ns) == list(range(100, 111))
    begin_ns = drive.at_ns(100)
    assert jumps(operator) == [(ReplayJump.PLAY, begin_ns < at_ns, at_ns, begin_ns)]

    since_ns = time.time_ns()
    assert operator.set('rate', math.inf).successful
    assert operator.ask(
        'play', start_offset=to_msg(SECOND), playback_until_timestamp=to_msg(drive.at_ns(55))
    ).success
    operator.wait_for(ReplayStatus.FINISHED)
    operator.settle(lambda: len(numbers(operator, since_ns)) >= 6)
    assert numbers(operator, since_ns) == list(range(50, 56))

    since_ns = time.time_ns()
    assert not operator.ask('play', start_offset=to_msg(11 * SECOND)).success
    playing.wait_for('play: nothing is left to play')
    assert operator.ask('play').success  # all of it, from the start
    operator.wait_for(ReplayStatus.FINISHED)
    operator.settle(lambda: len(numbers(operator, since_ns)) >= drive.count)
    assert numbers(operator, since_ns) == list(range(drive.count))
    assert operator.seek(drive.at_ns(498))  # at the end it goes on from there
    wait_until(lambda: numbers(operator, since_ns)[drive.count:] == [498, 499])


def test_a_parameter_file_configures_it_and_the_command_line_stands_before_it(
    operator: Operator, drive: Drive, tmp_path: Path
) -> None:
    file = tmp_path / 'replay.yaml'
    parameters = {
        'robot': ['robot_05'], 'topic': ['/od*', '/map'], 'rate': 50.0, 'paused': True,
        'stay': True, 'start_offset': '1s', 'duration': 0.2, 'prefix': '/old',
        'remap': ['/map:=/site'], 'clock_topics': ['/odom'], 'bucket': 'elsewhere',
    }
    file.write_text(yaml.safe_dump({'replay': {'ros__parameters': parameters}}))
    operator.watch(drive.odom, prefix='/old')
    operator.watch(replace(drive.channels[1], topic='/site'))
    operator.start('--duration', '100ms', '--ros-args', '--params-file', str(file))
    status = operator.wait_for(ReplayStatus.PAUSED)
    assert (status.rate, position_ns(status)) == (50.0, drive.at_ns(50))
    operator.settle(lambda: operator.texts('/site'))
    assert operator.texts('/site') == ['map 0']
    operator.ask('resume')
    operator.wait_for(ReplayStatus.FINISHED)
    operator.settle(lambda: len(operator.seen('/old/odom', CLOCK)) >= 12)
    assert operator.texts('/old/odom') == ['50', '51', '52', '53', '54', '55']
    assert operator.clock_ns() == [drive.at_ns(number) for number in range(50, 56)]
    assert operator.get('rate') == 50.0


def test_mistakes_of_a_parameter_file_are_named_with_file_and_key(
    operator: Operator, drive: Drive, tmp_path: Path
) -> None:
    file = tmp_path / 'replay.yaml'
    parameters = {'rate': 'fast', 'delay': 'soon', 'lop': True}
    file.write_text(yaml.safe_dump({'replay': {'ros__parameters': parameters}}))
    playing = operator.start('--ros-args', '--params-file', str(file))
    assert playing.end(60) == 2
    text = playing.text()
    assert f"{file}: rate: 'fast': " in text and f"{file}: delay: 'soon': not a duration" in text
    assert f'{file}: lop: unknown key' in text and 'did you mean loop?' in text
    assert len(text.strip().splitlines()) == 3
