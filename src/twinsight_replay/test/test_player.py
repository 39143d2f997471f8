"""Pacing and controls on a virtual clock: what a test says happens exactly when it says."""

from functools import partial
import math

import pytest

from twinsight_replay.piece_queue import Piece
from twinsight_replay.play_options import PlayOptions
from twinsight_replay.player import Player
from twinsight_replay.playing import Reason, State
from twinsight_replay.wakeup import Wakeup
from twinsight_store.channel import Channel
from twinsight_store.errors import ConfigurationError
from twinsight_store.message import END_OF_TIME_NS, Message

CHANNEL = Channel('/odom', 'nav_msgs/msg/Odometry')
T0 = 1_700_000_000_000_000_000
SEEK, LOOP, PLAY = Reason
TEN = tuple(range(0, 1_000, 100))


def at(*times_ns):
    """Return messages, their times counted from T0."""
    return [Message(CHANNEL, T0 + ns, T0 + ns, 0, b'four', {}) for ns in times_ns]


class VirtualClock:
    """A clock that goes on while somebody waits only, and overshoots a due time by 3 ns."""

    def __init__(self):
        self.time_ns = 0
        self.events = []  # (time, function), in the order of the times

    def now_ns(self):
        return self.time_ns

    def wait_until(self, due_ns, wakeup):
        while not wakeup.pending and (due_ns is None or self.time_ns < due_ns):
            if self.events and (due_ns is None or self.events[0][0] <= due_ns):
                time_ns, happen = self.events.pop(0)
                self.time_ns = max(self.time_ns, time_ns)
                happen()
            elif due_ns is None:
                raise AssertionError(f'at {self.time_ns} the player waits for ever')
            else:
                self.time_ns = due_ns + 3


class Feed:
    """Gives messages in pieces of some; from `stalls` on nothing, before `refill` is called."""

    def __init__(self, messages, wakeup, size=2, stalls=None, held=()):
        self.messages, self.wakeup, self.size, self.stalls = messages, wakeup, size, stalls
        self.held = held
        self.span_ns = (messages[0].receive_ns, messages[-1].receive_ns)
        self.starts = []

    def start(self, from_ns, latched=False):
        self.starts.append(from_ns)
        left = [m for m in self.messages if m.receive_ns >= (from_ns or 0)]
        self.pieces = [Piece(list(self.held), from_ns or 0, latched=True)] if latched else []
        while left:
            some, left = left[:self.size], left[self.size:]
            self.pieces.append(Piece(some, left[0].receive_ns if left else END_OF_TIME_NS))
        if len(self.pieces) == int(latched):
            self.pieces.append(Piece([], END_OF_TIME_NS))
        self.given = 0

    def take(self):
        if not self.pieces or self.given == self.stalls:
            return None
        self.given += 1
        return self.pieces.pop(0)

    def refill(self):
        self.stalls = None
        self.wakeup.set()


class Playing:
    """
    A player, its feed, and what it did.

    seen   (clock, time of the message from T0) of each message
    jumps  (clock, reason, from, to) from T0
    """

    def __init__(self, messages, options=None, work_ns=0, **feed):
        self.wakeup = Wakeup()
        self.clock = VirtualClock()
        self.feed = Feed(messages, self.wakeup, **feed)
        self.player = Player(self.feed, self, self.wakeup, options, self.clock)
        self.work_ns = work_ns
        self.seen, self.late, self.jumps, self.held = [], [], [], []

    def publish(self, message, late_ns):
        self.seen.append((self.clock.time_ns, message.receive_ns - T0))
        self.late.append(late_ns)
        self.clock.time_ns += self.work_ns

    def latch(self, message):
        self.held.append((self.clock.time_ns, message.receive_ns - T0))

    def jump(self, jump):
        self.jumps.append((self.clock.time_ns, jump.reason, jump.from_ns - T0, jump.to_ns - T0))

    def on(self, time_ns, method, *arguments):
        """Let a command be given at a time; return a list that gets its answer."""
        answers = []

        def happen():
            answer = self.player.do(partial(getattr(self.player, method), *arguments))
            answer.add_done_callback(lambda done: answers.append(done.result()))

        self.at(time_ns, happen)
        return answers

    def at(self, time_ns, happen):
        """Let something happen at a time."""
        self.clock.events.append((time_ns, happen))
        self.clock.events.sort(key=lambda event: event[0])

    def look(self, time_ns):
        """Return a list that gets the status of a time."""
        found = []
        self.at(time_ns, lambda: found.append(self.player.status()))
        return found

    def run(self):
        self.player.run()
        return self.seen


def test_the_first_message_is_due_at_once_and_intervals_are_kept():
    playing = Playing(at(0, 1_000, 3_001))
    assert playing.run() == [(0, 0), (1_003, 1_000), (3_004, 3_001)]
    assert playing.late == [0, 3, 3]


@pytest.mark.parametrize(('rate', 'moments'), [
    (2.0, [0, 503, 1_503]), (0.5, [0, 2_003, 6_003]), (math.inf, [0, 0, 0]),
])
def test_the_rate_divides_the_intervals(rate, moments):
    playing = Playing(at(0, 1_000, 3_000), PlayOptions(rate=rate))
    assert [moment for moment, _ in playing.run()] == moments


def test_slow_receivers_do_not_shift_later_messages():
    playing = Playing(at(0, 1_000, 1_000, 5_000), work_ns=400)
    assert [moment for moment, _ in playing.run()] == [0, 1_003, 1_403, 5_003]
    assert playing.late == [0, 3, 403, 3]


@pytest.mark.parametrize('rate', [0, -1.0, float('nan')])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ConfigurationError, match='rate .*: accepted is a number above 0, or inf'):
        PlayOptions(rate=rate)
    playing = Playing(at(0, 1_000))
    answers = playing.on(10, 'set_rate', rate)
    assert [moment for moment, _ in playing.run()] == [0, 1_003]
    assert answers == [False]


def test_the_rate_may_change_while_it_plays():
    playing = Playing(at(0, 1_000, 2_000))
    answers = playing.on(500, 'set_rate', 2.0)
    assert [moment for moment, _ in playing.run()] == [0, 753, 1_253]
    assert answers == [True]


def test_paused_nothing_is_played_and_later_messages_are_as_much_later():
    playing = Playing(at(0, 1_000, 2_000))
    playing.on(400, 'set_paused', True)
    status = playing.look(5_000)
    playing.on(10_400, 'set_paused', None)
    assert [moment for moment, _ in playing.run()] == [0, 11_003, 12_003]
    assert (status[0].state, status[0].position_ns) == (State.PAUSED, T0 + 400)


def test_while_paused_messages_are_played_one_by_one_or_some_at_once():
    playing = Playing(at(*TEN), PlayOptions(paused=True))
    first = playing.on(50, 'burst', 1)
    status = playing.look(60)
    three = playing.on(70, 'burst', 3)
    playing.on(90, 'set_paused', False)
    refused = playing.on(95, 'burst', 5)
    assert playing.run() == [
        (50, 0), (70, 100), (70, 200), (70, 300), *((90 + t - 300 + 3, t) for t in TEN[4:])
    ]
    assert (first, three, refused) == ([1], [3], [0])
    assert (status[0].position_ns, status[0].messages, status[0].bytes) == (T0, 1, 4)


def test_a_burst_of_all_ends_with_the_last_message():
    playing = Playing(at(*TEN), PlayOptions(paused=True))
    answers = playing.on(50, 'burst', 0)
    assert playing.run() == [(50, t) for t in TEN]
    assert answers == [10]


def test_a_burst_that_waits_for_messages_is_answered_when_something_else_is_done():
    playing = Playing(at(*TEN), PlayOptions(paused=True, stay=True), stalls=3)  # latched, 2 × 2
    answers = playing.on(50, 'burst', 7)
    playing.on(60, 'seek', T0 + 900)
    playing.at(70, playing.feed.refill)
    playing.at(80, playing.player.close)
    assert playing.run() == [(50, t) for t in TEN[:4]]
    assert answers == [4]


def test_a_seek_plays_on_from_there_and_tells_of_the_jump():
    playing = Playing(at(*TEN), held=at(-5))
    forth = playing.on(250, 'seek', T0 + 750)
    back = playing.on(260, 'seek', T0 + 550)
    behind = playing.on(270, 'seek', T0 + 901)
    assert playing.run() == [
        (0, 0), (103, 100), (203, 200), *((260 + t - 550 + 3, t) for t in TEN[6:])
    ]
    assert playing.jumps == [(250, SEEK, 250, 750), (260, SEEK, 760, 550)]
    assert playing.held == [(0, -5), (250, -5), (260, -5)]
    assert (forth, back, behind) == ([True], [True], [False])


def test_a_seek_before_the_start_goes_to_the_start():
    playing = Playing(at(*TEN))
    playing.on(150, 'seek', 0)
    assert playing.run()[2] == (150, 0)
    assert playing.jumps == [(150, SEEK, 150, 0)]


def test_a_seek_while_paused_stays_there_until_it_goes_on():
    playing = Playing(at(*TEN), PlayOptions(paused=True))
    playing.on(10, 'seek', T0 + 450)
    status = playing.look(20)
    playing.on(30, 'burst', 1)
    playing.on(50, 'set_paused', False)
    assert playing.run() == [(30, 500), *((50 + t - 500 + 3, t) for t in TEN[6:])]
    assert status[0].position_ns == T0 + 450


def test_a_feed_that_stalls_holds_the_time_and_nothing_is_skipped_or_hurried():
    playing = Playing(at(*TEN), stalls=3)  # what was latched, and 4 messages
    before, there = playing.look(310), playing.look(5_000)
    playing.at(6_000, playing.feed.refill)
    after = playing.look(6_010)
    assert playing.run() == [
        *((t + 3 * bool(t), t) for t in TEN[:4]),
        *((6_000 + t - 400 + 3 * (t > 400), t) for t in TEN[4:]),
    ]
    assert [s[0].state for s in (before, there, after)] == [
        State.PLAYING, State.WAITING, State.PLAYING,
    ]
    assert there[0].position_ns == T0 + 400  # it is known that nothing is before


def test_offset_duration_and_until_choose_a_part():
    assert Playing(at(*TEN), PlayOptions(offset_ns=250, duration_ns=300)).run() == [
        (53, 300), (153, 400), (253, 500),
    ]
    assert Playing(at(*TEN), PlayOptions(until_ns=T0 + 200)).run() == [
        (0, 0), (103, 100), (203, 200),
    ]
    assert len(Playing(at(*TEN), PlayOptions(duration_ns=299)).run()) == 3


@pytest.mark.parametrize('options', [
    {'offset_ns': 901}, {'offset_ns': 500, 'until_ns': T0 + 499}, {'until_ns': T0 - 1},
])
def test_a_part_that_is_empty_is_refused(options):
    with pytest.raises(ConfigurationError, match='nothing is left to play'):
        Playing(at(*TEN), PlayOptions(**options))


@pytest.mark.parametrize('name', ['offset_ns', 'duration_ns', 'delay_ns'])
def test_times_below_0_are_refused(name):
    with pytest.raises(ConfigurationError, match=f'{name[:-3]} -1 s: accepted is 0 s and more'):
        PlayOptions(**{name: -(10**9)})


def test_during_the_delay_the_time_stands_still():
    playing = Playing(at(0, 100), PlayOptions(delay_ns=5_000))
    status = playing.look(4_000)
    assert playing.run() == [(5_003, 0), (5_106, 100)]
    assert (status[0].state, status[0].position_ns) == (State.STARTING, T0)


def test_a_loop_begins_again_at_the_end():
    playing = Playing(at(0, 100, 200), PlayOptions(loop=True, offset_ns=50))
    playing.on(330, 'stop')
    assert playing.run() == [(53, 100), (153, 200), (206, 100), (306, 200)]
    assert [jump[1:] for jump in playing.jumps] == [(LOOP, 200, 50), (LOOP, 200, 50)]
    assert playing.player.status().loop == 2


def test_a_loop_without_messages_ends():
    playing = Playing(at(0, 100), PlayOptions(loop=True, offset_ns=10, duration_ns=50))
    assert playing.run() == []


def test_stopped_or_at_the_end_it_ends_or_stays_and_obeys():
    playing = Playing(at(*TEN))
    playing.on(150, 'stop')
    assert playing.run() == [(0, 0), (103, 100)]

    playing = Playing(at(*TEN), PlayOptions(stay=True))
    status = playing.look(2_000)
    refused = playing.on(400, 'play', PlayOptions())
    playing.on(3_000, 'seek', T0 + 800)
    again = playing.on(4_000, 'play', PlayOptions(offset_ns=300, duration_ns=100))
    playing.at(5_000, playing.player.close)
    assert playing.run()[10:] == [(3_000, 800), (3_103, 900), (4_000, 300), (4_103, 400)]
    assert (status[0].state, status[0].position_ns) == (State.FINISHED, T0 + 900)
    assert (refused, again) == ([False], [True])
    assert playing.jumps == [(3_000, SEEK, 900, 800), (4_000, PLAY, 900, 300)]


def test_a_part_that_is_empty_is_an_error_of_who_asks_and_playing_stays():
    playing = Playing(at(*TEN), PlayOptions(stay=True))
    errors = []

    def ask():
        answer = playing.player.do(
            lambda done: playing.player.play(PlayOptions(offset_ns=10**6), done)
        )
        answer.add_done_callback(lambda done: errors.append(done.exception()))

    playing.at(2_000, ask)
    playing.at(3_000, playing.player.close)
    assert len(playing.run()) == 10
    assert isinstance(errors[0], ConfigurationError)


def test_what_is_asked_after_the_end_is_cancelled():
    playing = Playing(at(0))
    playing.run()
    assert playing.player.do(playing.player.stop).cancelled()


def test_what_the_feed_raises_ends_playing():
    playing = Playing(at(0, 100))

    def broken():
        raise OSError('away')

    playing.feed.take = broken
    with pytest.raises(OSError, match='away'):
        playing.run()
    assert playing.player.do(playing.player.stop).cancelled()
