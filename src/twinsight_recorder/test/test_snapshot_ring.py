"""The ring of a snapshot, driven by a virtual clock."""

import random
from types import SimpleNamespace

import pytest

from twinsight_recorder.raw.intake import Arrival
from twinsight_recorder.raw.snapshot_ring import SnapshotRing

S = 1_000_000_000
T0 = 1_763_900_000 * S


class Feed:
    """Adds messages with numbers to a ring and gathers, by their numbers, what it gives out."""

    def __init__(self, keep_s=30, limit=10**9):
        self.ring = SnapshotRing(keep_s * S, limit, lambda topic: topic.latched)
        self.topics = {}
        self.times = {}
        self.stored = []

    def add(self, receive_ns, topic='/t', size=0, publisher=None):
        latched = topic in ('/tf_static', '/map')
        source = SimpleNamespace(topic=self.topics.setdefault(
            topic, SimpleNamespace(name=topic, latched=latched),
        ))
        number = len(self.times)
        self.times[number] = receive_ns
        arrival = Arrival(source, receive_ns, receive_ns, number, bytes(size))
        return self._take(self.ring.add(arrival, publisher))

    def open(self, now_ns, before_s, after_s):
        return self._take(self.ring.open(now_ns, round(before_s * S), round(after_s * S)))

    def _take(self, arrivals):
        numbers = [arrival.sequence for arrival in arrivals]
        self.stored += numbers
        return numbers


def cost_of(size):
    feed = Feed()
    feed.add(T0, size=size)
    return feed.ring.bytes


def test_nothing_is_stored_before_a_snapshot_is_asked_for():
    feed = Feed()
    assert [feed.add(T0 + n * S) for n in range(100)] == [[]] * 100


def test_the_window_is_exact_to_the_nanosecond_on_both_sides():
    feed = Feed()
    now = T0 + 100 * S
    for receive_ns in (now - 10 * S - 1, now - 10 * S, now):
        feed.add(receive_ns)
    assert feed.open(now, 10, 5) == [1, 2]
    assert feed.add(now + 5 * S - 1) == [3]
    assert feed.add(now + 5 * S) == [4]
    assert feed.add(now + 5 * S + 1) == []


def test_what_is_older_than_the_ring_keeps_is_gone_and_what_is_not_is_there():
    feed = Feed(keep_s=30)
    for receive_ns in (T0 - 1, T0, T0 + 30 * S):
        feed.add(receive_ns)
    assert feed.open(T0 + 30 * S, 100, 0) == [1, 2]


def test_a_snapshot_without_before_stores_only_what_comes():
    feed = Feed()
    feed.add(T0)
    assert feed.open(T0 + 1, 0, 1) == []
    assert feed.add(T0 + 2) == [1]


def test_messages_of_all_topics_come_out_as_they_arrived_also_where_times_are_mixed():
    feed = Feed()
    for topic, late_ns in (('/a', 20), ('/b', 5), ('/a', 3), ('/c', 21), ('/b', 0), ('/c', 20)):
        feed.add(T0 - late_ns, topic)
    assert feed.open(T0, 20e-9, 0) == [0, 1, 2, 4, 5]


def test_an_open_window_grows_and_never_shrinks():
    feed = Feed()
    feed.open(T0, 0, 10)
    feed.open(T0 + 5 * S, 0, 1)
    assert feed.add(T0 + 10 * S) == [0]
    feed.open(T0 + 10 * S, 0, 10)
    assert feed.add(T0 + 20 * S) == [1]
    assert feed.add(T0 + 20 * S + 1) == []


def test_a_second_snapshot_gives_the_rest_that_the_first_left():
    feed = Feed()
    for n in range(10):
        feed.add(T0 + n * S)
    assert feed.open(T0 + 9 * S, 2, 0) == [7, 8, 9]
    assert feed.open(T0 + 9 * S, 4, 0) == [5, 6]
    assert feed.open(T0 + 9 * S, 4, 0) == []


@pytest.mark.parametrize('seed', range(60))
def test_exactly_the_messages_inside_the_windows_are_stored_each_once(seed):
    chance = random.Random(seed)
    feed = Feed(keep_s=30)
    windows = []
    now = T0
    for _ in range(3000):
        now += chance.choice((0, 1, S // 100, S // 10, chance.randrange(S)))
        given = feed.add(now, chance.choice(('/a', '/b', '/c')))
        if chance.random() < 0.003:
            before, after = chance.randrange(31), chance.randrange(60)
            windows.append((now - before * S, now + after * S))
            given = feed.open(now, before, after)
        assert given == sorted(given)
    wanted = [
        number for number, receive_ns in feed.times.items()
        if any(start <= receive_ns <= end for start, end in windows)
    ]
    assert sorted(feed.stored) == wanted


@pytest.mark.parametrize('seed', range(30))
def test_within_its_bytes_the_ring_gives_all_that_it_says_it_covers(seed):
    chance = random.Random(seed)
    feed = Feed(keep_s=30, limit=20_000)
    now = T0
    for _ in range(2000):
        now += chance.randrange(S)
        feed.add(now, size=chance.choice((0, 10, 1000, 5000)))
        assert feed.ring.bytes <= 20_000
        assert 0 <= feed.ring.covers_ns <= 30 * S
        if chance.random() < 0.01:
            before_ns = chance.choice((feed.ring.covers_ns, chance.randrange(30 * S)))
            full = before_ns <= feed.ring.covers_ns
            stored = set(feed.stored)
            given = feed.open(now, before_ns / S, 0)
            wanted = [
                number for number, receive_ns in feed.times.items()
                if receive_ns >= now - round(before_ns / S * S) and number not in stored
            ]
            assert given == (wanted if full else wanted[len(wanted) - len(given):])
    assert len(feed.stored) == len(set(feed.stored))


def test_the_ring_tells_how_far_back_it_reaches():
    feed = Feed(keep_s=30, limit=10 * cost_of(100))
    assert feed.ring.covers_ns == 0
    for n in range(10):
        feed.add(T0 + n * S, size=100)
    assert feed.ring.covers_ns == 9 * S  # it began then, and all of it is there
    feed.add(T0 + 10 * S, size=100)  # one too many: the first goes
    assert feed.ring.covers_ns == 10 * S - 1
    assert feed.open(T0 + 10 * S, 30, 0) == list(range(1, 11))
    feed.add(T0 + 50 * S)
    assert feed.ring.covers_ns == 30 * S


def test_a_ring_that_lacks_its_very_first_message_does_not_cover_its_time():
    for size, covers_ns in ((0, 30 * S), (1, 30 * S - 1)):
        feed = Feed(keep_s=30, limit=2 * cost_of(0))
        feed.add(T0)
        feed.add(T0 + S)
        feed.open(T0 + S, 0.5, 0)
        feed.add(T0 + 30 * S, size=size)
        assert feed.ring.covers_ns == covers_ns


def test_what_a_snapshot_left_goes_in_the_order_of_arrival_still():
    feed = Feed(keep_s=30)
    for receive_ns in (T0 + 10 * S, T0, T0 + S):
        feed.add(receive_ns)
    assert feed.open(T0 + 10 * S, 5, 0) == [0]
    feed.add(T0 + 30 * S + 1)
    assert feed.open(T0 + 30 * S + 1, 100, 0) == [2, 3]


def test_bytes_hold_to_the_last_one():
    for limit, kept in ((10 * cost_of(100), 10), (10 * cost_of(100) - 1, 9)):
        feed = Feed(limit=limit)
        for n in range(20):
            feed.add(T0 + n, size=100)
        assert len(feed.open(T0 + 20, 30, 0)) == kept
        assert feed.ring.bytes == 0


def test_a_message_bigger_than_the_ring_pushes_nothing_out_and_is_told():
    feed = Feed(limit=cost_of(10_000))
    feed.add(T0)
    feed.add(T0 + S, size=10_001)
    feed.add(T0 + 3 * S)
    assert feed.ring.covers_ns == 2 * S - 1
    assert feed.open(T0 + 3 * S, 30, 0) == [0, 2]
    feed.add(T0 + 4 * S, size=10_000)
    assert feed.open(T0 + 4 * S, 30, 0) == [3]


def test_while_a_window_is_open_nothing_gathers_in_memory():
    feed = Feed()
    feed.open(T0, 0, 100)
    assert [feed.add(T0 + n, size=1000) for n in range(100)] == [[n] for n in range(100)]
    assert feed.ring.bytes == 0


def test_after_the_clock_was_set_back_the_last_seconds_are_there_and_old_ones_go():
    feed = Feed(keep_s=30)
    for n in range(100):
        feed.add(T0 + n * S)
    for n in range(10):
        feed.add(n * S)  # simulated time began again
    # The step itself took no time: 99 s and 0 s are the same moment.
    assert feed.open(9 * S, 20, 5) == list(range(88, 110))
    assert feed.add(14 * S) == [110]
    assert feed.add(14 * S + 1) == []


def test_a_window_goes_on_over_a_clock_that_is_set_back():
    feed = Feed()
    feed.add(T0)
    feed.open(T0, 0, 10)
    assert feed.add(T0 + 4 * S) == [1]
    assert feed.add(1000 * S) == [2]
    assert feed.add(1006 * S) == [3]
    assert feed.add(1006 * S + 1) == []


def test_a_snapshot_may_be_the_first_to_meet_the_new_clock():
    feed = Feed()
    for n in range(50):
        feed.add(T0 + n * S)
    assert feed.open(100 * S, 10, 1) == list(range(39, 50))
    assert feed.add(101 * S) == [50]
    assert feed.add(101 * S + 1) == []


def test_messages_under_way_when_the_clock_is_set_back_make_nothing_old():
    feed = Feed(keep_s=30)
    for n in range(29):
        feed.add(T0 + n * S)
    for step, before_ns in ((2, T0 + 28 * S), (1, 2000 * S)):
        for n in range(20):
            feed.add(step * 1000 * S + n)
            feed.add(before_ns + n)  # of another topic, received before the step
    assert feed.open(1000 * S + 20, 30, 0) == list(range(29 + 80))


def test_messages_that_come_late_make_nothing_old():
    feed = Feed(keep_s=30)
    for n in range(25):
        for late_s in (0, 20):
            feed.add(T0 + (n - late_s) * S)
    assert feed.open(T0 + 24 * S, 30, 0) == [
        number for number, receive_ns in feed.times.items() if receive_ns >= T0 - 6 * S
    ]


@pytest.mark.parametrize('step_s', [1, 29, 30, 31, 3600])
def test_a_clock_that_is_set_back_again_and_again_lets_nothing_grow(step_s):
    feed = Feed(keep_s=30, limit=2000 * cost_of(0))
    now = T0
    for n in range(20_000):
        now += S // 10
        if n % 1000 == 999:
            now -= step_s * S
        feed.add(now)
        assert feed.ring.bytes <= (2 * 300 + 2) * cost_of(0)


def test_a_clock_that_is_set_ahead_makes_everything_old():
    feed = Feed()
    feed.add(T0)
    feed.add(T0 + 3600 * S)
    assert feed.open(T0 + 3600 * S, 30, 0) == [1]


def test_the_last_static_transforms_of_each_publisher_stay_however_old_they_are():
    feed = Feed()
    for publisher in ('robot', 'robot', 'camera'):
        feed.add(T0, '/tf_static', publisher=publisher)
    feed.add(T0, '/map', publisher='map')
    for n in range(100):
        feed.add(T0 + n * S)
    assert feed.open(T0 + 99 * S, 2, 0) == [1, 2, 3, 101, 102, 103]


def test_static_transforms_are_given_once():
    feed = Feed()
    feed.add(T0, '/tf_static')
    feed.add(T0 + 100 * S)
    assert feed.open(T0 + 100 * S, 1, 0) == [0, 1]
    assert feed.open(T0 + 200 * S, 1, 0) == []
    assert feed.add(T0 + 300 * S, '/tf_static') == []
    assert feed.open(T0 + 400 * S, 1, 0) == [2]


def test_of_a_map_that_changes_a_snapshot_has_the_one_that_held_when_it_begins():
    feed = Feed()
    for n in range(20):
        feed.add(T0 + n * S, '/map')
    assert feed.open(T0 + 19 * S, 2.5, 0) == [16, 17, 18, 19]


@pytest.mark.parametrize('wait_s', [5, 500])
def test_a_map_older_than_one_that_is_stored_is_no_longer_needed(wait_s):
    feed = Feed()
    for n in range(10):
        feed.add(T0 + n * S, '/map')
    feed.open(T0 + 9 * S, 2, 10)
    assert feed.add(T0 + 10 * S, '/map') == [10]
    feed.add(T0 + (20 + wait_s) * S)
    assert feed.open(T0 + (20 + wait_s) * S, 1, 0) == [11]
    feed.add(T0 + 1000 * S)
    assert feed.ring.bytes == cost_of(0)


def test_maps_that_were_replaced_do_not_stay():
    feed = Feed(keep_s=30)
    for n in range(1000):
        feed.add(T0 + n * S, '/map', size=1000)
    assert feed.ring.bytes == 32 * cost_of(1000)  # of 30 s both ends, and the one before


def test_publishers_that_came_and_went_do_not_pile_up():
    feed = Feed(keep_s=1)
    for n in range(1000):
        feed.add(T0 + 2 * n * S, '/tf_static', publisher=n)
    assert feed.open(T0 + 3000 * S, 1, 0) == list(range(1000 - 64, 1000))
    assert feed.ring.bytes == 0


def test_publishers_of_a_moment_do_not_pile_up_either():
    feed = Feed(keep_s=30)
    for n in range(1000):
        feed.add(T0 + n, '/tf_static', publisher=n)
    feed.add(T0 + 100 * S)
    assert feed.ring.bytes == 65 * cost_of(0)
    assert feed.open(T0 + 100 * S, 1, 0) == list(range(1000 - 64, 1001))


def test_a_publisher_that_still_speaks_is_not_the_one_that_is_forgotten():
    feed = Feed()
    for publisher in ('speaks', *range(63), 'speaks', 'new'):
        feed.add(T0, '/tf_static', publisher=publisher)
    feed.add(T0 + 100 * S)
    assert feed.open(T0 + 100 * S, 1, 0) == [*range(2, 67)]


def test_when_bytes_run_out_latched_messages_go_last():
    feed = Feed(limit=5 * cost_of(0))
    for publisher in range(3):
        feed.add(T0, '/tf_static', publisher=publisher)
    for n in range(10):
        feed.add(T0 + n)
    assert feed.open(T0 + 10, 30, 0) == [0, 1, 2, 11, 12]


def test_latched_messages_are_bounded_too():
    feed = Feed(limit=5 * cost_of(0))
    for publisher in range(20):
        feed.add(T0 + publisher * 60 * S, '/tf_static', publisher=publisher)
        assert feed.ring.bytes <= 5 * cost_of(0)
    assert feed.open(T0 + 3600 * S, 1, 0) == [15, 16, 17, 18, 19]


@pytest.mark.parametrize('seed', range(30))
def test_with_latched_topics_too_each_message_is_given_at_most_once_and_none_stays(seed):
    chance = random.Random(seed)
    feed = Feed(keep_s=5, limit=chance.choice((30, 100, 10_000)) * cost_of(0))
    now = T0
    for _ in range(3000):
        now += chance.randrange(S // 5) - (chance.random() < 0.003) * chance.randrange(60) * S
        late_ns = chance.randrange(S) if chance.random() < 0.2 else 0
        feed.add(now - late_ns, chance.choice(('/a', '/b', '/tf_static')),
                 publisher=chance.randrange(3))
        assert feed.ring.bytes <= feed.ring.limit_bytes
        if chance.random() < 0.01:
            given = feed.open(now, chance.randrange(6), chance.randrange(3))
            assert given == sorted(given)
    feed.open(now, 100, 0)
    assert len(feed.stored) == len(set(feed.stored))
    feed.ring.open(now, 10**6 * S, 0)
    assert feed.ring.bytes <= 3 * cost_of(0)  # at most what latched publishers left
