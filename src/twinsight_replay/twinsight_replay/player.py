"""
Playing a timeline at the intervals at which it was recorded, under full control.

Knows nothing of ROS and of stores: it takes messages in time order, waits until each is due and
hands it to a sink. The rules of the controls are those of rosbag2's player.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
import math
import threading
from typing import Any

from twinsight_replay.clock import Clock, MonotonicClock
from twinsight_replay.piece_queue import Piece
from twinsight_replay.play_options import is_rate, PlayOptions
from twinsight_replay.playing import Feed, Jump, Reason, Sink, State, Status
from twinsight_replay.time_keeper import TimeKeeper
from twinsight_replay.wakeup import Wakeup
from twinsight_store.message import Message

Command = Callable[['Future[Any]'], None]
"""Does something between two messages, and answers."""


class Player:
    """
    Plays what a feed reads; run() does, in the thread that calls it.

    The other methods but status() and do() are commands: they run in that thread, through do(),
    and answer a future. Controls has them for other threads.
    """

    def __init__(
        self, feed: Feed, sink: Sink, wakeup: Wakeup, options: PlayOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        """
        Make one of a feed that is open.

        wakeup  is set by the feed when it has news

        Raises ConfigurationError where the options leave nothing to play.
        """
        self._feed = feed
        self._sink = sink
        self._wakeup = wakeup
        self._options = options or PlayOptions()
        self._clock = clock or MonotonicClock()
        self._keeper = TimeKeeper(self._clock, self._options.rate, self._options.paused)
        self._start_ns = self._last_ns = self._end_ns = 0
        self._choose(self._options)
        self._keeper.jump(self._start_ns)
        self._commands: deque[tuple[Command, Future[Any]]] = deque()
        self._lock = threading.Lock()
        self._has_ended = False
        self._closing = False
        self._prepared = False
        self._finished = False
        self._started = False
        self._starved = False
        self._at_first = False  # the position is that of the first message, not known yet
        self._not_before_ns = 0
        self._messages: Sequence[Message] = []
        self._next = 0
        self._known_ns = 0
        self._is_last = False
        self._burst: Burst | None = None
        self._loop = 0
        self._played = 0
        self._played_before_loop = 0
        self._bytes = 0
        self._late_ns = 0

    def prepare(self) -> None:
        """Let the feed read, so that playing begins with much at hand; before run(), or in it."""
        self._prepared = True
        self._at_first = not self._options.offset_ns
        self._begin(None if self._at_first else self._start_ns)

    def run(self) -> None:
        """Play until the end, or until close(); raises what the feed and the sink raise."""
        try:
            if not self._prepared:
                self.prepare()
            self._not_before_ns = self._clock.now_ns() + self._options.delay_ns
            while not self._closing and (self._options.stay or not self._finished):
                self._wakeup.clear()
                self._obey()
                self._turn()
        finally:
            self.end()

    def status(self) -> Status:
        """Return what it does; from any thread."""
        keeper = self._keeper
        if self._finished:
            state = State.FINISHED
        elif not self._started:
            state = State.STARTING
        elif keeper.paused:
            state = State.PAUSED
        elif self._starved and (keeper.is_held or keeper.rate == math.inf):
            state = State.WAITING
        else:
            state = State.PLAYING
        return Status(
            state, keeper.paused, keeper.rate, self._position_ns(), self._start_ns, self._end_ns,
            self._late_ns, self._loop, self._played, self._bytes,
        )

    def clock_at(self, recorded_ns: int) -> int:
        """Return when the clock was or will be at a recorded time, were it not for pauses."""
        return self._keeper.clock_at(recorded_ns)

    def do(self, command: Command) -> Future[Any]:
        """Let a command be done between two messages; cancelled where playing has ended."""
        answer: Future[Any] = Future()
        with self._lock:
            if self._has_ended:
                answer.cancel()
                return answer
            self._commands.append((command, answer))
        self._wakeup.set()
        return answer

    def end(self) -> None:
        """Cancel what is asked for, now and later; called by who runs it, or never will."""
        self._finished = True
        with self._lock:
            self._has_ended = True
        self._end_burst()
        for _, answer in self._commands:
            answer.cancel()

    def close(self) -> None:
        """End run() soon; from any thread or a signal handler."""
        self._closing = True
        self._wakeup.set()

    # Commands

    def set_paused(self, paused: bool | None, answer: Future[Any]) -> None:
        """Pause or go on; None does the other one. Answers whether it is paused."""
        paused = not self._keeper.paused if paused is None else paused
        if not paused:
            self._end_burst()
        self._keeper.set_paused(paused)
        answer.set_result(paused)

    def set_rate(self, rate: float, answer: Future[Any]) -> None:
        """Answer whether it goes on at that rate; a rate is above 0."""
        if is_rate(rate):
            self._keeper.set_rate(rate)
        answer.set_result(is_rate(rate))

    def burst(self, messages: int, answer: Future[Any]) -> None:
        """
        Play messages at once, 0 for all that are left; only while it is paused.

        Answers how many were played, when they are, or when something else is done.
        """
        if self._finished or self._burst or not self._keeper.paused:
            answer.set_result(0)
        else:
            self._burst = Burst(answer, messages)

    def seek(self, to_ns: int, answer: Future[Any]) -> None:
        """Go to a recorded time; what is before the start means the start. Answers whether."""
        if to_ns <= self._end_ns:
            self._at_first = False
            self._jump(Jump(Reason.SEEK, self._position_ns(), max(to_ns, self._start_ns)))
        answer.set_result(to_ns <= self._end_ns)

    def stop(self, answer: Future[Any]) -> None:
        """Stop, as at the end."""
        self._stop()
        answer.set_result(True)

    def play(self, options: PlayOptions, answer: Future[Any]) -> None:
        """
        Play anew, from offset, for duration and until of the options; only at the end.

        Answers whether it does. Raises ConfigurationError where they leave nothing to play.
        """
        is_at_end = self._finished
        if is_at_end:
            from_ns = self._position_ns()
            self._choose(options)
            self._jump(Jump(Reason.PLAY, from_ns, self._start_ns))
        answer.set_result(is_at_end)

    # Playing

    def _obey(self) -> None:
        while self._commands:
            command, answer = self._commands.popleft()
            try:
                command(answer)
            except Exception as error:  # belongs to who asked
                answer.set_exception(error)

    def _turn(self) -> None:
        """Play what is there, or wait until something comes."""
        if self._closing:
            return
        if self._finished:
            if self._options.stay:
                self._clock.wait_until(None, self._wakeup)
        elif self._next < len(self._messages):
            if self._has_started():
                self._play()
        elif self._is_last:
            self._finish()
        elif piece := self._feed.take():
            self._accept(piece)
        else:
            if not self._starved and self._started:
                self._keeper.hold_at(min(self._known_ns, self._last_ns))
            self._starved = True
            self._clock.wait_until(None, self._wakeup)

    def _accept(self, piece: Piece) -> None:
        self._starved = False
        if piece.latched:
            for message in piece.messages:
                self._sink.latch(message)
            return
        self._messages, self._next, self._is_last = piece.messages, 0, piece.is_last
        if piece.messages:
            last_ns = min(piece.messages[-1].receive_ns, self._last_ns)
            self._end_ns = max(self._end_ns, last_ns)
        self._known_ns = piece.until_ns
        if self._at_first:
            if not piece.messages:
                return
            self._at_first = False
            self._start_ns = max(self._start_ns, piece.messages[0].receive_ns)
            self._keeper.jump(self._start_ns)
        if self._started:
            self._keeper.release()

    def _has_started(self) -> bool:
        """Wait for the time of the first message; return whether it has come."""
        if self._started:
            return True
        self._clock.wait_until(self._not_before_ns, self._wakeup)
        if self._clock.now_ns() < self._not_before_ns:
            return False
        self._started = True
        self._keeper.release()
        return True

    def _play(self) -> None:
        """Play the messages at hand until there is a command, or they are all played."""
        clock, keeper, sink, wakeup = self._clock, self._keeper, self._sink, self._wakeup
        messages, last_ns = self._messages, self._last_ns
        at_once = keeper.rate == math.inf
        while self._next < len(messages) and not wakeup.pending:
            message = messages[self._next]
            if message.receive_ns > last_ns:
                self._finish()
                return
            self._late_ns = 0
            if not self._burst:
                due_ns = keeper.due_ns(message.receive_ns)
                clock.wait_until(due_ns, wakeup)
                if due_ns is None or wakeup.pending:
                    return
                if not at_once:
                    self._late_ns = clock.now_ns() - due_ns
            if at_once or self._burst:
                keeper.pass_to(message.receive_ns)
            self._next += 1
            self._played += 1
            self._bytes += len(message.data)
            sink.publish(message, self._late_ns)
            if self._burst and self._burst.step():
                self._burst = None

    def _choose(self, options: PlayOptions) -> None:
        """Choose what is played; up to the last message it is the end to within some seconds."""
        span_ns = self._feed.span_ns
        self._start_ns, self._last_ns = options.part(span_ns)
        self._end_ns = min(span_ns[1], self._last_ns)

    def _begin(self, from_ns: int | None) -> None:
        """Read from a time on; the position stands there until it is known what follows."""
        self._messages, self._next, self._is_last = [], 0, False
        self._finished = False
        self._known_ns = self._start_ns if from_ns is None else from_ns
        self._keeper.jump(self._known_ns)
        self._feed.start(from_ns, self._options.latched)

    def _jump(self, jump: Jump) -> None:
        self._end_burst()
        self._begin(jump.to_ns)
        self._sink.jump(jump)

    def _finish(self) -> None:
        """Begin again, or stop."""
        if self._options.loop and self._played > self._played_before_loop:
            self._loop += 1
            self._played_before_loop = self._played
            self._jump(Jump(Reason.LOOP, self._position_ns(), self._start_ns))
        else:
            self._stop()

    def _stop(self) -> None:
        self._end_burst()
        self._finished = True
        self._keeper.jump(self._position_ns())

    def _position_ns(self) -> int:
        """Return the position; its keeper runs over the end before the end is noticed."""
        return min(self._keeper.position_ns(), self._end_ns)

    def _end_burst(self) -> None:
        if self._burst:
            self._burst.end()
            self._burst = None


class Burst:
    """Messages that are played at once while the player is paused."""

    def __init__(self, answer: Future[Any], wanted: int) -> None:
        self._answer = answer
        self._wanted = wanted
        self._played = 0

    def step(self) -> bool:
        """Count a message; return whether it was the last one, after answering."""
        self._played += 1
        if self._played == self._wanted:
            self.end()
        return self._played == self._wanted

    def end(self) -> None:
        """Answer how many were played."""
        self._answer.set_result(self._played)
