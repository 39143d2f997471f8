"""What a player tells, where it takes messages from, and where it plays them to."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, Protocol

from twinsight_replay.piece_queue import Piece
from twinsight_store.message import Message


class State(Enum):
    """
    What a player does.

    STARTING  nothing was played yet
    WAITING   the messages of what comes next have not come; the position stands still
    FINISHED  it is at the end, or was stopped
    """

    STARTING = 'starting'
    PLAYING = 'playing'
    PAUSED = 'paused'
    WAITING = 'waiting'
    FINISHED = 'finished'


class Reason(Enum):
    """Why the position jumped."""

    SEEK = 'seek'
    LOOP = 'loop'
    PLAY = 'play'


class Jump(NamedTuple):
    """The position went from one recorded time to another, Unix ns."""

    reason: Reason
    from_ns: int
    to_ns: int


class Status(NamedTuple):
    """
    A player at one moment.

    position_ns      recorded time, Unix ns
    start_ns, end_ns of what is played
    lag_ns           how much later than due the last message was handed over
    loop             how many times it began again
    messages, bytes  handed over so far
    """

    state: State
    paused: bool
    rate: float
    position_ns: int
    start_ns: int
    end_ns: int
    lag_ns: int
    loop: int
    messages: int
    bytes: int


class Feed(Protocol):
    """Where messages come from; ReadAhead is one."""

    @property
    def span_ns(self) -> tuple[int, int]: ...

    def start(self, from_ns: int | None, latched: bool = False) -> None: ...

    def take(self) -> Piece | None: ...


class Sink(Protocol):
    """Where messages are played to; called by the thread that plays."""

    def publish(self, message: Message, late_ns: int) -> None:
        """Take a message that is due, or was due late_ns ago."""

    def latch(self, message: Message) -> None:
        """Take a message from before the position, which holds there."""

    def jump(self, jump: Jump) -> None:
        """Hear that the position jumped; no message of before comes any more."""
