"""What happens at once in a replay: commands from several threads, errors, and the end."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial
import random
import select
import sys
import threading
import time

import pytest
from pytest_ros import wait_until

from twinsight_replay.controls import Controls
from twinsight_replay.play_options import PlayOptions
from twinsight_replay.player import Player
from twinsight_replay.playing import State
from twinsight_replay.read_ahead import ReadAhead
from twinsight_replay.wakeup import Wakeup
from twinsight_store.channel import Channel
from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.message import Batch, END_OF_TIME_NS, Message
from twinsight_store.open_timeline import open_timeline, TimelineSettings
from twinsight_store.record_query import WINDOW_BYTES
from twinsight_store.selection import Selection
from twinsight_store.timeline import Timeline

CHANNEL = Channel('/odom', 'nav_msgs/msg/Odometry')
T0 = 1_700_000_000_000_000_000
STEP_NS = 1_000_000


class Source:
    """
    Gives some messages, 1 ms apart, ten at a time, after a thread of its own has answered.

    answer_s, closing_s   how long that takes, and how long the end of a reading does
    stalls_at             how many messages are given: what follows never comes
    latched_error, error  are raised in the place of what is latched, and of the last ten
    open_now, open_most   how many readings there are, and were at most
    """

    def __init__(
        self, count, answer_s=0.0001, closing_s=0.0, stalls_at=None, latched_error=None,
        error=None,
    ):
        self.channels = [('robot_01', CHANNEL)]
        self.open_now = self.open_most = 0
        self.messages = [
            Message(CHANNEL, T0 + n * STEP_NS, T0, n, b'x' * 1_000, {}) for n in range(count)
        ]
        self._answer_s, self._closing_s, self._stalls_at = answer_s, closing_s, stalls_at
        self._latched_error, self._error = latched_error, error

    async def span(self):
        return self.messages[0].receive_ns, self.messages[-1].receive_ns

    async def batches(self, from_ns=None):
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            left = [each for each in self.messages if each.receive_ns >= (from_ns or 0)]
            while len(left) > 10:
                if len(self.messages) - len(left) == self._stalls_at:
                    await asyncio.Event().wait()
                await asyncio.to_thread(time.sleep, self._answer_s)
                some, left = left[:10], left[10:]
                yield Batch(some, left[0].receive_ns)
            if self._error:
                raise self._error
            yield Batch(left, END_OF_TIME_NS)
        finally:
            await asyncio.sleep(self._closing_s)
            self.open_now -= 1

    async def latched(self, time_ns):
        await asyncio.sleep(0.001)
        if self._latched_error:
            raise self._latched_error
        return []

    @asynccontextmanager
    async def open(self):
        yield Timeline([self])


class Playing:
    """
    A player in a thread, of what is read ahead of a timeline, and its controls.

    seen    receive times since the latest jump
    errors  what ended it
    """

    def __init__(self, open_it, limit_bytes=1_000_000, **options):
        self.seen, self.errors = [], []
        self._open_it, self._limit_bytes = open_it, limit_bytes
        self._options = PlayOptions(**options)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def publish(self, message, late_ns):
        self.seen.append(message.receive_ns)

    def latch(self, message):
        pass

    def jump(self, jump):
        self.seen = []

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_):
        self.player.close()
        self.join()

    @property
    def is_alive(self):
        return self._thread.is_alive()

    def join(self):
        self._thread.join(30)
        assert not self.is_alive, 'it hangs'

    def _run(self):
        wakeup = Wakeup()
        try:
            with ReadAhead(self._open_it, wakeup.set, self._limit_bytes) as self.feed:
                self.player = Player(self.feed, self, wakeup, self._options)
                self.controls = Controls(self.player)
                self._ready.set()
                self.player.run()
        except Exception as error:
            self.errors.append(error)


class Asking:
    """Calls a function in some threads at once, again and again while the block runs."""

    def __init__(self, ask, threads=2, most=10**9):
        self._ask, self._most = ask, most
        self._over = False
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(threads)
        ]

    @property
    def is_alive(self):
        return any(each.is_alive() for each in self._threads)

    def __enter__(self):
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_):
        self._over = True
        self.join()

    def join(self):
        """Return when each has asked as often as it may."""
        for each in self._threads:
            each.join(120)
            assert not each.is_alive(), 'it hangs'

    def _run(self, number):
        chance = random.Random(number)
        for _ in range(self._most):
            if self._over:
                return
            self._ask(chance)


def test_what_opening_refuses_is_what_is_raised_also_while_something_else_is_read():
    source = Source(100, answer_s=0.2, latched_error=StoreRefusedError('no', 403))
    with Playing(source.open) as playing:
        playing.join()
    assert [repr(error) for error in playing.errors] == ["StoreRefusedError('no')"]
    assert source.open_now == 0


def test_a_reading_has_ended_before_the_next_one_begins():
    source = Source(10_000, closing_s=0.02)
    with Playing(source.open, paused=True) as playing:
        wait_until(lambda: source.open_now)
        for number in range(30):
            assert playing.controls.seek(T0 + number * 100 * STEP_NS)
            time.sleep(0.003)
    assert (source.open_most, source.open_now) == (1, 0)
    assert not playing.errors


def test_a_thousand_seeks_of_two_threads_end_where_the_last_one_went(
    store_settings, store, channel, text
):
    where, count = channel('/odom'), 2_000
    store([(where, T0 + n * STEP_NS, text(f'{n} ' + 'x' * 10_000)) for n in range(count)])
    before = threading.active_count()
    settings = TimelineSettings(store_settings)
    queued = []

    def seek(chance):
        assert playing.controls.seek(T0 + chance.randrange(count) * STEP_NS)
        queued.append(playing.feed.queued[1])
        time.sleep(chance.random() * 0.006)

    open_it = partial(open_timeline, Selection(), settings)
    with Playing(open_it, stay=True) as playing:
        asking = Asking(seek, most=500)
        with asking:
            asking.join()
        playing.controls.pause()
        playing.controls.seek(T0 + 1_500 * STEP_NS)
        playing.controls.set_rate(float('inf'))
        playing.controls.resume()
        wait_until(lambda: playing.controls.status().state is State.FINISHED)
        assert playing.seen == [T0 + n * STEP_NS for n in range(1_500, count)]
        assert playing.feed.queued == (0, 0)
    assert len(queued) == 1_000
    assert max(queued) <= 1_000_000 + 4 * WINDOW_BYTES
    assert not playing.errors
    # One of an earlier test may have ended; those that an event loop had end a little later.
    wait_until(lambda: threading.active_count() <= before)


def test_whoever_asks_for_whatever_while_it_ends_is_answered():
    source = Source(300)
    with Playing(source.open, rate=100.0) as playing:
        controls = playing.controls
        wishes = [
            controls.pause, controls.resume, controls.toggle_paused, controls.play_next,
            lambda: controls.set_rate(50.0), lambda: controls.burst(3),
            lambda: controls.seek(T0 + 200 * STEP_NS), lambda: controls.play(PlayOptions()),
        ]
        with Asking(lambda chance: chance.choice(wishes)(), threads=4):
            time.sleep(0.3)
            while playing.is_alive:  # a seek that comes with it goes on
                controls.stop()
            time.sleep(0.05)
        assert controls.status().state is State.FINISHED
        assert (controls.seek(T0), controls.burst(1), controls.set_rate(2.0)) == (False, 0, False)
    assert not playing.errors


@pytest.mark.parametrize('error', [None, StoreUnavailableError('away')])
def test_a_burst_that_the_end_cuts_short_tells_how_much_was_played(error):
    """Of 95 messages the last are never read: because it is closed, or because of an error."""
    source = Source(95, stalls_at=None if error else 40, error=error)
    answers = []
    with (
        Playing(source.open, limit_bytes=1, paused=True) as playing,
        Asking(lambda chance: answers.append(playing.controls.burst(0)), 1, most=1),
    ):
        if error is None:
            wait_until(lambda: len(playing.seen) >= 20)
            playing.player.close()
        playing.join()
    assert answers == [len(playing.seen)]
    assert playing.errors == ([error] if error else [])


def test_an_error_while_it_is_paused_is_raised_when_the_messages_before_it_are_played():
    error = StoreUnavailableError('away')
    with Playing(Source(95, error=error).open, paused=True, rate=1000.0) as playing:
        wait_until(lambda: playing.feed.queued[0] >= 80)
        time.sleep(0.05)
        assert playing.controls.status().state is State.PAUSED
        playing.controls.resume()
        playing.join()
    assert len(playing.seen) == 90
    assert playing.errors == [error]


def test_a_seek_goes_on_after_an_error():
    source = Source(95, error=StoreUnavailableError('away'))
    with Playing(source.open, paused=True) as playing:
        wait_until(lambda: playing.feed.queued[0] >= 80)
        time.sleep(0.05)
        source._error = None
        assert playing.controls.seek(T0 + 50 * STEP_NS)
        playing.controls.resume()
        playing.join()
    assert playing.seen == [T0 + n * STEP_NS for n in range(50, 95)]
    assert not playing.errors


def test_a_wakeup_never_wakes_for_what_has_been_seen():
    """Or a thread that waits for a time would spin until then."""
    wakeup, before = Wakeup(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(1_000):
            asking = Asking(lambda chance: wakeup.set(), threads=1, most=10)
            with asking:
                while asking.is_alive:
                    wakeup.clear()
            wakes, _, _ = select.select([wakeup._out], [], [], 0)
            assert wakeup.pending or not wakes
    finally:
        sys.setswitchinterval(before)
        wakeup.close()
