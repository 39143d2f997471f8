"""One command that was asked for, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
import time
from typing import Any, NamedTuple
import uuid

from twinsight_bridge.commands.errors import (
    CommandError,
    NoAnswerError,
    RefusedError,
)
from twinsight_bridge.commands.ros_json import ros_json


class State(str, Enum):
    """
    How a command stands.

    The first two are on the way; with the others it has ended. ``timed_out``: the robot did not
    answer, or took too long, so that what it did is not known.
    """

    ACCEPTED = 'accepted'
    RUNNING = 'running'
    SUCCEEDED = 'succeeded'
    FAILED = 'failed'
    REFUSED = 'refused'
    TIMED_OUT = 'timed_out'
    CANCELLED = 'cancelled'


class Asker(NamedTuple):
    """
    Who asks.

    operator       as they call themselves; '' where they do not say
    address        where the request came from
    authenticated  whether they had the token
    """

    operator: str
    address: str
    authenticated: bool

    def __str__(self) -> str:
        return self.operator or self.address or 'somebody'


class Target(NamedTuple):
    """
    What a command is sent to.

    way   topic, service or action
    name  in ROS
    """

    way: str
    name: str
    type: str

    def __str__(self) -> str:
        return f'{self.way} {self.name} ({self.type})'


@dataclass
class Command:
    """
    A command; who sends it says how far it is.

    sent      False as long as surely nothing has reached the robot
    error     why it did not succeed
    known     is set when it is known to run, or has ended
    """

    robot_id: str
    name: str
    target: Target
    body: Mapping[str, Any]
    by: Asker
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    asked_ns: int = field(default_factory=time.time_ns)
    mission_id: str = ''
    state: State = State.ACCEPTED
    sent: bool = False
    result: Any = None
    error: CommandError | None = None
    ended_ns: int | None = None
    cancelled_by: Asker | None = None
    known: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    cancel: Callable[[], Awaitable[None]] | None = None
    _feedback: tuple[int, Any] | None = None

    def runs(self, cancel: Callable[[], Awaitable[None]] | None = None) -> None:
        """Hear that it runs; cancel() asks the robot to end it, without one its task is ended."""
        self.state = State.RUNNING
        self.cancel = cancel
        self.known.set()

    def feed(self, message: Any) -> None:
        """Hear of feedback, from any thread."""
        self._feedback = (time.time_ns(), message)

    def ends(self, state: State, error: CommandError | None = None) -> None:
        """Hear of its end."""
        self.state = state
        self.error = error
        self.ended_ns = time.time_ns()
        self.cancel = None
        self.known.set()
        self.ended.set()

    @property
    def message(self) -> str:
        """Return why it did not succeed; '' where it may yet, or did."""
        return str(self.error or '')

    @property
    def feedback(self) -> tuple[int, Any] | None:
        """Return when the latest feedback came (Unix ns), and it as JSON has it."""
        latest = self._feedback
        return latest and (latest[0], ros_json(latest[1]))


def end_of(error: CommandError) -> State:
    """Return how a command ends that an error stopped."""
    if isinstance(error, RefusedError):
        return State.REFUSED
    return State.TIMED_OUT if isinstance(error, NoAnswerError) else State.FAILED
