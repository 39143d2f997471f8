"""
What a client of the live values has not been sent yet.

It is bounded whatever the client does: of a metric it holds the latest value only, of events the
newest, of the link to Redis how it is now.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from twinsight_store.live.read import LiveLink, LiveUpdate
from twinsight_store.metrics.glob import glob_expression

MOST_VALUES, MOST_EVENTS = 20_000, 1000

Key = tuple[str, str]


class Sample(NamedTuple):
    """A value of a metric of a robot."""

    time_ns: int
    mission_id: str
    value: float | str | None


class Waiting(NamedTuple):
    """
    What was waiting to be sent.

    link    how the link to Redis is, where that changed
    robots  id → what is told of it, where that changed
    values  robot and name → latest value
    lost    how many events and values were dropped because the client was too slow
    """

    link: LiveLink | None
    robots: dict[str, dict[str, Any]]
    values: dict[Key, Sample]
    events: list[dict[str, Any]]
    lost: int


class Outbox:
    """
    Collects for one client, in one event loop.

    robots  ids; none for all
    names   of metrics, or globs; none for all
    """

    def __init__(self, robots: Sequence[str], names: Sequence[str]) -> None:
        self._wanted = frozenset(robots)
        self._names = [glob_expression(name) for name in names]
        self._meant: dict[str, bool] = {}
        self._filled = asyncio.Event()
        self._link: LiveLink | None
        self._empty()

    def wants(self, robot_id: str) -> bool:
        """Return whether the client asked for a robot."""
        return not self._wanted or robot_id in self._wanted

    def means(self, name: str) -> bool:
        """Return whether the client asked for a metric."""
        known = self._meant.get(name)
        if known is None:
            known = not self._names or any(each.fullmatch(name) for each in self._names)
            if len(self._meant) < MOST_VALUES:
                self._meant[name] = known
        return known

    def put_link(self, link: LiveLink) -> None:
        """Take how the link to Redis is."""
        self._link = link
        self._filled.set()

    def put_robot(self, robot_id: str, told: dict[str, Any]) -> None:
        """Take what is told of a robot."""
        if self.wants(robot_id):
            self._robots[robot_id] = told
            self._filled.set()

    def put_values(self, update: LiveUpdate) -> None:
        """Take values, in place of older ones of the same metrics."""
        for name, value in update.values.items():
            if self.means(name):
                key = (update.robot_id, name)
                self._values.pop(key, None)  # so that the one that was told least lately is first
                self._values[key] = Sample(update.time_ns, update.mission_id, value)
                self._filled.set()
        while len(self._values) > MOST_VALUES:
            del self._values[next(iter(self._values))]
            self._lost += 1

    def put_event(self, event: dict[str, Any]) -> None:
        """Take an event; of too many the oldest goes."""
        self._lost += len(self._events) == MOST_EVENTS
        self._events.append(event)
        self._filled.set()

    async def take(self) -> Waiting:
        """Return what waits, when something does."""
        await self._filled.wait()
        found = Waiting(
            self._link, self._robots, self._values, list(self._events), self._lost
        )
        self._empty()
        return found

    def _empty(self) -> None:
        self._filled.clear()
        self._link = None
        self._robots: dict[str, dict[str, Any]] = {}
        self._values: dict[Key, Sample] = {}
        self._events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._lost = 0
