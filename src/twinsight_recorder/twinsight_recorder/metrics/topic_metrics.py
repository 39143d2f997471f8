"""What all rules need that make metrics of one topic: its names, its clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twinsight_recorder.metrics.gate import GateRules
from twinsight_recorder.metrics.rule_settings import MetricRuleSettings, MetricSettings
from twinsight_store.errors import ConfigurationError
from twinsight_store.field_path import type_name
from twinsight_store.message import header_stamp_ns
from twinsight_store.metrics.columns import MetricNames, SampleColumns

_ITSELF = 'value'
"""A metric of that name has the prefix alone as its name."""


class TopicMetrics(Protocol):
    """One rule at work on one topic."""

    def take(self, data: bytes, receive_ns: int, out: SampleColumns) -> None:
        """Make samples of a message; raises RecordError where it is damaged."""
        ...

    def forget(self) -> None:
        """Store again what is stored on change only."""
        ...


@dataclass(frozen=True)
class Place:
    """
    Where a rule works.

    prefix   of the metrics' names
    claim    claim(name) raises ConfigurationError where another topic has that metric
    problem  problem(line) tells the user
    """

    rule_name: str
    rule: MetricRuleSettings
    topic: str
    cls: type
    prefix: str
    names: MetricNames
    claim: Callable[[str], None]
    problem: Callable[[str], object]

    def full_name(self, metric: str) -> str:
        """Return the name under which a metric is stored."""
        return self.prefix if metric == _ITSELF else f'{self.prefix}.{metric}'

    def number(self, metric: str, unit: str, field: str) -> int:
        """Return the number of a metric; raises ConfigurationError as claim does."""
        name = self.full_name(metric)
        self.claim(name)
        return self.names.number(name, unit, self.topic, field)

    def gate_rules(self, metric: MetricSettings | None = None) -> GateRules:
        """Return what holds for a metric, by default for those that have nothing of their own."""
        rate = self.rule.max_rate_of(metric) if metric else self.rule.max_rate
        least = self.rule.on_change_of(metric) if metric else self.rule.on_change
        return GateRules(round(1e9 / rate) if rate else 0, least, self.rule.nan == 'skip')

    def clock(self) -> Callable[[bytes, int], int] | None:
        """
        Return what gives a message's time from its bytes and the time when it came.

        None: that is the time when it came. Raises ConfigurationError where the type has no
        stamp.
        """
        if self.rule.time == 'receive':
            return None
        types = list(self.cls.get_fields_and_field_types().values())  # type: ignore[attr-defined]
        if types[:1] != ['std_msgs/Header']:
            raise ConfigurationError(
                f'time: stamp: {type_name(self.cls)} does not begin with a header; '
                f'its fields: {", ".join(types)}'
            )
        return _stamp_or


def _stamp_or(data: bytes, receive_ns: int) -> int:
    return header_stamp_ns(data) or receive_ns  # a stamp of 0 was never set
