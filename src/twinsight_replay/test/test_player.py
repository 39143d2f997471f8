"""Pacing with a virtual clock, names, and the distribution of timing errors."""

import pytest

from twinsight_replay.player import Player
from twinsight_replay.timing_error import TimingError
from twinsight_replay.topic_names import TopicNames
from twinsight_store.channel import Channel
from twinsight_store.errors import ConfigurationError
from twinsight_store.message import Message

CHANNEL = Channel('/odom', 'nav_msgs/msg/Odometry')


class VirtualClock:
    """A clock that stands still but when somebody waits, and then overshoots by 100 ns."""

    def __init__(self):
        self.time_ns = 5_000

    def now_ns(self):
        return self.time_ns

    def wait_until(self, due_ns, stop):
        if due_ns > self.time_ns:
            self.time_ns = due_ns + 100


def at(*times_ns):
    return [Message(CHANNEL, ns, ns, 0, b'', {}) for ns in times_ns]


def played(rate, *times_ns, work_ns=0):
    clock = VirtualClock()
    moments = []
    for due in Player(rate, clock).play(at(*times_ns)):
        moments.append((clock.time_ns - 5_000, due.late_ns))
        clock.time_ns += work_ns
    return moments


def test_the_first_message_is_due_at_once_and_intervals_are_kept():
    assert played(1.0, 10**18, 10**18 + 1_000_000, 10**18 + 3_000_001) == [
        (0, 0), (1_000_100, 100), (3_000_101, 100),
    ]


def test_twice_the_rate_halves_the_intervals():
    assert [moment for moment, _ in played(2.0, 0, 1_000_000, 3_000_000)] == [
        0, 500_100, 1_500_100,
    ]


def test_slow_receivers_do_not_shift_later_messages():
    moments = played(1.0, 0, 1_000_000, 1_000_000, 5_000_000, work_ns=400_000)
    assert [moment for moment, _ in moments] == [0, 1_000_100, 1_400_100, 5_000_100]
    assert [late for _, late in moments] == [0, 100, 400_100, 100]


def test_stop_ends_playing_before_the_next_message():
    player = Player(1.0, VirtualClock())
    seen = []
    for due in player.play(at(0, 10, 20)):
        seen.append(due.message.receive_ns)
        if len(seen) == 2:
            player.stop()
    assert seen == [0, 10]


@pytest.mark.parametrize('rate', [0, -1.0, float('inf'), float('nan')])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ConfigurationError, match='--rate .*: accepted is a number above 0'):
        Player(rate)


def test_topics_get_the_prefix_unless_they_are_remapped():
    names = TopicNames('/replay/', ['/odom:=/old/odom', 'scan:=laser'])
    assert names.published('r1', '/camera/image') == '/replay/camera/image'
    assert names.published('r1', '/odom') == '/old/odom'
    assert names.published('r1', '/scan') == '/laser'
    assert names.unused(['/odom', '/camera/image']) == ['/scan']
    assert TopicNames().published('r1', '/odom') == '/odom'


def test_several_robots_are_told_apart_by_name():
    names = TopicNames('/replay')
    names.with_robot = True
    assert names.published('robot-05', '/odom') == '/replay/robot_05/odom'


@pytest.mark.parametrize('rule', ['/a', '/a:=', ':=/b', '/a:=/b c', '/a:=/0b'])
def test_a_remapping_that_is_none_is_refused(rule):
    with pytest.raises(ConfigurationError, match='--remap'):
        TopicNames('', [rule])


def test_a_prefix_that_is_no_name_is_refused():
    with pytest.raises(ConfigurationError, match='--prefix .* accepted is a name like /replay'):
        TopicNames('replay')


def test_quantiles_are_within_three_percent():
    error = TimingError()
    for number in range(1, 10_001):
        error.add(number * 1_000)
    for part in (0.1, 0.5, 0.9, 0.99):
        exact = part * 10_000 * 1_000
        assert exact <= error.quantile_ns(part) <= exact * 1.04
    assert error.max_ns == error.quantile_ns(1.0) == 10_000_000
    assert error.count == 10_000


def test_small_errors_are_exact():
    error = TimingError()
    for number in (3, 5, 5, 7):
        error.add(number)
    assert [error.quantile_ns(part) for part in (0.25, 0.5, 0.75, 1.0)] == [3, 5, 5, 7]


def test_memory_of_the_distribution_does_not_grow_with_the_messages():
    error = TimingError()
    for number in range(100_000):
        error.add(number * 9_973)
    assert len(error._buckets) < 32 * 64
