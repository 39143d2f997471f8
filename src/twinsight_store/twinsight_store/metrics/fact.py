"""
What metrics tell besides samples: missions, events, units, signs of life.

Facts travel with the samples, through the same spool and the same Kafka topic, so that they are
in the stores exactly once and in order too. In JSON a fact is its class's name and its fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeAlias

from twinsight_store.errors import RecordError
from twinsight_store.metrics.foreign import ID_TEXT, LONG_TEXT, plain_text, whole_number

ALERT_RAISED, ALERT_CLEARED = 'alert_raised', 'alert_cleared'
"""The kinds of events that an alert makes; see Event."""


@dataclass(frozen=True)
class Alive:
    """The robot was there; also where no topic had anything new."""

    robot_id: str
    mission_id: str
    time_ns: int


@dataclass(frozen=True)
class MissionStarted:
    """A mission began; the same one again changes its labels only."""

    robot_id: str
    mission_id: str
    time_ns: int
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MissionEnded:
    """A mission ended on purpose."""

    robot_id: str
    mission_id: str
    time_ns: int


@dataclass(frozen=True)
class MissionRecording:
    """
    What one recorder has taken for a mission so far; it replaces what was told before.

    recorder  names one run of a recorder: its node and its start
    topics    topic → messages and bytes
    """

    robot_id: str
    mission_id: str
    recorder: str
    topics: Mapping[str, tuple[int, int]]

    def __post_init__(self) -> None:
        pairs = {topic: (messages, size) for topic, (messages, size) in self.topics.items()}
        object.__setattr__(self, 'topics', pairs)  # JSON has lists


@dataclass(frozen=True)
class Event:
    """
    Something happened: an alert was raised or cleared, an anomaly was found.

    kind      ALERT_RAISED, ALERT_CLEARED, anomaly, ...
    severity  info, warn or error
    data      what JSON can hold
    """

    robot_id: str
    mission_id: str
    time_ns: int
    kind: str
    severity: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricInfo:
    """
    What a metric is; told when it is new, and again from time to time.

    unit   as REP-103 has it, for example m, rad, m/s, V; '' for none
    topic  where it comes from
    field  the path to it in the topic's messages
    """

    robot_id: str
    name: str
    unit: str
    topic: str
    field: str


Fact: TypeAlias = (
    Alive | MissionStarted | MissionEnded | MissionRecording | Event | MetricInfo
)

_KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (Alive, MissionStarted, MissionEnded, MissionRecording, Event, MetricInfo)
}

_FIELDS = {
    name: {each.name: str(each.type) for each in fields(kind)} for name, kind in _KINDS.items()
}
"""Of each fact the fields and the types that they are written with above."""


def to_json(fact: Fact) -> list[Any]:
    """Return a fact as what JSON can hold."""
    return [type(fact).__name__, asdict(fact)]


def from_json(found: Any) -> Fact:
    """Return the fact that JSON held; raises RecordError where it is none of this version."""
    try:
        name, given = found
        for key, kind in _FIELDS[name].items():
            if key in given:
                _check(key, kind, given[key])
        fact: Fact = _KINDS[name](**given)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        shown = repr(found)[:200]
        raise RecordError(f'metrics: not a fact of this version ({error}): {shown}') from error
    return fact


def _check(key: str, kind: str, found: Any) -> None:
    """Raise TypeError or ValueError where JSON held what the field does not."""
    if kind == 'int':
        whole_number(found)
    elif kind == 'str':
        plain_text(found, LONG_TEXT if key == 'message' else ID_TEXT)
    elif not isinstance(found, dict):
        raise TypeError(f'{key} is no object')
    elif key == 'labels':
        for name, text in found.items():
            plain_text(name)
            plain_text(text, LONG_TEXT)
    elif key == 'topics':
        for topic, (messages, size) in found.items():
            plain_text(topic)
            whole_number(messages, least=0)
            whole_number(size, least=0)
