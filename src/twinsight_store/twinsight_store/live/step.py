"""What one atomic step writes into Redis: gathered from deliveries, then handed to a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twinsight_store.live.entries import BatchEntries
from twinsight_store.live.layout import (
    DELIVERED,
    DELIVERED_TIMES,
    event_json,
    events_key,
    EVENTS_LENGTH,
    info_json,
    info_key,
    Latest,
    latest_json,
    live_key,
    metrics_key,
    Progress,
    ROBOTS,
    seen_json,
    TIDIED,
    to_bytes,
)
from twinsight_store.metrics.batch import Delivery
from twinsight_store.metrics.fact import Alive, Event, Fact, MetricInfo, MissionStarted

STEP_WEIGHT = 10_000
"""A step has about so many samples at most; Redis serves nobody else for some 15 ms then."""


@dataclass
class _Robot:
    """What is new of one robot."""

    entries: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    info: dict[bytes, str] = field(default_factory=dict)
    latest: dict[str, Latest] = field(default_factory=dict)
    seen: tuple[int, str] | None = None

    def see(self, time_ns: int, mission_id: str) -> None:
        if self.seen is None or time_ns >= self.seen[0]:
            self.seen = (time_ns, mission_id)


class Step:
    """
    A bounded number of changes that hold together.

    progress  how far the sources are once it is written
    samples   that it has
    refused   facts that have no place in Redis, whatever is tried
    problem   why, for the first of them; '' for none
    """

    def __init__(self, known: Mapping[str, Progress | None]) -> None:
        """Begin one where the sources are as they are known to be; None for a new one."""
        self.progress: dict[str, Progress] = {}
        self.refused = 0
        self.problem = ''
        self._known = known
        self._weight = 0
        self._robots: dict[str, _Robot] = {}

    def add(self, delivery: Delivery, entries: BatchEntries) -> bool:
        """
        Take what is not written yet of a delivery; return whether that was all of it.

        A delivery that does not fit is left for the next step; one that fits no step is cut.
        """
        done = self.progress.get(delivery.source) or self._known.get(delivery.source)
        first = (done.entries or 0) if done and done.number == delivery.number else 0
        end, weight = entries.cut(first, STEP_WEIGHT)
        if self._weight and self._weight + weight > STEP_WEIGHT:
            return False
        # A delivery of facts only is worth a sample a fact.
        self._weight += weight + len(delivery.batch.facts)
        if end > first:
            self._add_samples(entries, first, end)
        if end < len(entries):
            self.progress[delivery.source] = Progress(delivery.number, end)
            self._weight = STEP_WEIGHT
            return False
        for fact in delivery.batch.facts:
            self._guard(fact)
        self.progress[delivery.source] = Progress(delivery.number)
        return True

    def _add_samples(self, entries: BatchEntries, first: int, end: int) -> None:
        for robot_id, texts in entries.texts(first, end):
            self._robot(robot_id).entries += texts
        for robot_id, name, sample in entries.latest(first, end):
            robot = self._robot(robot_id)
            before = robot.latest.get(name)
            if before is None or sample.time_ns >= before.time_ns:
                robot.latest[name] = sample
            robot.see(sample.time_ns, sample.mission_id)

    def _guard(self, fact: Fact) -> None:
        """Take a fact; where it is damaged (it may come from anywhere), count it."""
        try:
            self._add_fact(fact)
        except (TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            self.refused += 1
            self.problem = self.problem or (
                f'Redis: {type(fact).__name__} of {fact.robot_id!r} is refused ({error})'
            )

    def _add_fact(self, fact: Fact) -> None:
        if isinstance(fact, (Alive, MissionStarted)):
            time_ns, mission_id = int(fact.time_ns), fact.mission_id
            seen_json(time_ns, mission_id)  # fails here, where it can be refused
            self._robot(fact.robot_id).see(time_ns, mission_id)
        elif isinstance(fact, Event):
            event = event_json(fact)
            self._robot(fact.robot_id).events.append(event)
        elif isinstance(fact, MetricInfo):
            name, info = to_bytes(fact.name), info_json(fact)
            self._robot(fact.robot_id).info[name] = info

    def _robot(self, robot_id: str) -> _Robot:
        robot = self._robots.get(robot_id)
        if robot is None:
            to_bytes(robot_id)
            robot = self._robots[robot_id] = _Robot()
        return robot

    def keys(self) -> list[bytes]:
        """Return the keys that it touches, in the order that apply.lua wants."""
        keys = [DELIVERED, DELIVERED_TIMES, ROBOTS, TIDIED]
        for robot_id in self._robots:
            keys += (
                live_key(robot_id), metrics_key(robot_id), events_key(robot_id),
                info_key(robot_id),
            )
        return keys

    def arguments(self, stream_length: int) -> list[bytes | str | int]:
        """Return what apply.lua wants to know besides."""
        out: list[bytes | str | int] = [stream_length, EVENTS_LENGTH, len(self.progress)]
        for source, after in self.progress.items():
            before = self._known.get(source)
            out += (to_bytes(source), '' if before is None else str(before), str(after))
        for robot_id, robot in self._robots.items():
            out += (to_bytes(robot_id), '' if robot.seen is None else seen_json(*robot.seen))
            _add_list(out, robot.entries)
            _add_list(out, robot.events)
            out.append(len(robot.info))
            for each in robot.info.items():
                out += each
            out.append(len(robot.latest))
            for name, sample in robot.latest.items():
                out += (to_bytes(name), latest_json(sample))
        return out


def _add_list(out: list[bytes | str | int], texts: Sequence[str]) -> None:
    out.append(len(texts))
    out += texts
