"""A selection: which robot's messages, of which mission, topics and time, are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from twinsight_store import labels as label
from twinsight_store.errors import ConfigurationError
from twinsight_store.times import format_span


@dataclass(frozen=True)
class Selection:
    """
    The same question everywhere: command lines, nodes and the Python API.

    What is left empty selects everything. Several values of one kind are alternatives.

    robots    robot ids
    missions  mission ids
    sensors   sensor types
    topics    topic names or globs, in which ``*`` also stands for slashes
    from_ns   first receive time, Unix ns, included
    to_ns     last receive time, Unix ns, excluded
    labels    label values that all must hold
    """

    robots: tuple[str, ...] = ()
    missions: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    from_ns: int | None = None
    to_ns: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for option, values in (
            ('robot', self.robots), ('mission', self.missions), ('sensor', self.sensors),
            ('topic', self.topics), ('label', (*self.labels, *self.labels.values())),
        ):
            for value in values:
                check_text(f'--{option}', value)
        for end, time_ns in (('from_ns', self.from_ns), ('to_ns', self.to_ns)):
            if time_ns is not None and not -(1 << 63) <= time_ns < 1 << 63:
                raise ConfigurationError(
                    f'{end} {time_ns}: accepted are Unix nanoseconds of 64 bits (1678 to 2261)'
                )
        if self.from_ns is not None and self.to_ns is not None and self.from_ns >= self.to_ns:
            raise ConfigurationError(
                f'the span {format_span(self.from_ns, self.to_ns)} is empty: '
                'the end must be later than the start'
            )

    def has_robot(self, robot_id: str) -> bool:
        """Return whether a robot's data may be selected."""
        return not self.robots or robot_id in self.robots

    def has_topic(self, topic: str) -> bool:
        """Return whether a topic's data may be selected."""
        return not self.topics or any(
            fnmatchcase(topic, pattern if pattern.startswith(('/', '*')) else f'/{pattern}')
            for pattern in self.topics
        )

    def has_time(self, receive_ns: int) -> bool:
        """Return whether a message of that time is in the span."""
        return (self.from_ns is None or receive_ns >= self.from_ns) and (
            self.to_ns is None or receive_ns < self.to_ns
        )

    def has_labels(self, labels: Mapping[str, str]) -> bool:
        """Return whether decoded labels are the selected ones, compared as text."""
        return (
            (not self.missions or labels.get(label.MISSION) in self.missions)
            and (not self.sensors or labels.get(label.SENSOR) in self.sensors)
            and all(labels.get(name) == value for name, value in self.labels.items())
        )

    def condition(self) -> dict[str, Any] | None:
        """Return what the server can sort out by labels, or None for everything."""
        wanted = [
            _any_of(label.MISSION, self.missions),
            _any_of(label.SENSOR, self.sensors),
            *(label.condition(name, value) for name, value in self.labels.items()),
        ]
        return all_of(*wanted)

    def describe(self) -> str:
        """Return the selection as the command-line options that make it."""
        options = [
            f'--{name} {value}'
            for name, values in (
                ('robot', self.robots),
                ('mission', self.missions),
                ('sensor', self.sensors),
                ('topic', self.topics),
            )
            for value in values
        ]
        options += [f'--label {name}={value}' for name, value in self.labels.items()]
        text = ' '.join(options) or 'everything'
        if self.from_ns is None and self.to_ns is None:
            return text
        return f'{text}, {format_span(self.from_ns, self.to_ns)}'


def check_text(what: str, text: str) -> None:
    """Raise ConfigurationError for a text that no store can hold; ``what`` says whose it is."""
    # Half a pair is what Python makes of an argument that is no UTF-8.
    if '\0' in text or any('\ud800' <= each <= '\udfff' for each in text):
        raise ConfigurationError(f'{what} {text!r}: accepted is UTF-8 without NUL')


def all_of(*conditions: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the condition that all of the given ones hold; None stands for "always"."""
    given = [condition for condition in conditions if condition is not None]
    if len(given) < 2:
        return dict(given[0]) if given else None
    return {'$and': given}


def _any_of(name: str, values: tuple[str, ...]) -> dict[str, Any] | None:
    conditions = [label.condition(name, value) for value in values]
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    return {'$or': conditions}
