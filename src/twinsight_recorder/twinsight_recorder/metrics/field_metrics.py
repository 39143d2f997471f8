"""Metrics that are fields of a topic's messages, or made of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math
from operator import itemgetter
from typing import Any

from twinsight_recorder.metrics.functions import DISTANCE, Source
from twinsight_recorder.metrics.gate import Gate, GateRules
from twinsight_recorder.metrics.odometer import Odometer
from twinsight_recorder.metrics.rule_settings import MetricSettings
from twinsight_recorder.metrics.topic_metrics import Place
from twinsight_recorder.rate_limit import RateLimit
from twinsight_store.cdr.fields import CdrFields
from twinsight_store.errors import ConfigurationError
from twinsight_store.field_path import FieldPath, Leaf
from twinsight_store.field_steps import Value
from twinsight_store.metrics.columns import SampleColumns

_NO_FLOAT = ('int64', 'uint64')
"""Types with numbers that a float may not hold."""

Make = Callable[[Sequence[Any]], Any]
"""Makes a metric's value, or None, of the fields that were read."""


@dataclass(frozen=True)
class _Metric:
    """
    One metric.

    plain  whether its values are numbers that go into a column as they are
    """

    make: Make
    number: int
    rules: GateRules
    plain: bool


class FieldMetrics:
    """
    Takes the metrics of one rule out of messages of one topic.

    Numbers that nothing holds back go into the columns together, the others one by one.
    """

    def __init__(self, place: Place) -> None:
        """Make one; raises ConfigurationError where the type does not have a rule's fields."""
        self._place = place
        self._clock = place.clock()
        self._receive_ns = 0
        self._paths: list[FieldPath] = []
        sources = {name: _source(name, each, place.cls) for name, each in self._settings()}
        for source in sources.values():
            self._paths += [path for path in source.paths if path not in self._paths]
        fields = CdrFields(place.cls, self._paths)
        self._read = fields.read
        leaves = dict(zip(self._paths, fields.leaves, strict=True))
        metrics = [
            self._metric(name, each, sources[name], leaves[sources[name].paths[0]])
            for name, each in self._settings()
        ]
        period_ns = _shared_period_ns(metrics)
        if any(source.function is DISTANCE for source in sources.values()):
            period_ns = 0  # it has to see every message
        self._limit = RateLimit(period_ns) if period_ns else None
        if period_ns:
            metrics = [
                _Metric(each.make, each.number, GateRules(0, None, each.rules.skips_nan),
                        each.plain)
                for each in metrics
            ]
        together = [each for each in metrics if each.plain and _is_free(each.rules)]
        single = [each for each in metrics if each not in together]
        self._count = len(metrics)
        self._together = [each.make for each in together]
        self._numbers = array('I', [each.number for each in together])
        self._together_gates = [Gate(each.number, each.rules) for each in together]
        self._single = [(each.make, Gate(each.number, each.rules)) for each in single]

    def take(self, data: bytes, receive_ns: int, out: SampleColumns) -> None:
        """Make samples of a message; raises RecordError where it is damaged."""
        if self._limit is not None and not self._limit.takes(receive_ns):
            out.counts.values += self._count
            out.counts.rate_limited += self._count
            return
        found = self._read(data)
        time_ns = receive_ns if self._clock is None else self._clock(data, receive_ns)
        self._receive_ns = receive_ns
        values = [make(found) for make in self._together]
        if _are_finite(values):
            out.counts.values += len(values)
            out.add_numbers(self._numbers, time_ns, values)
        else:
            for gate, value in zip(self._together_gates, values, strict=True):
                if value is not None:
                    gate.put(value, receive_ns, time_ns, out)
        for make, gate in self._single:
            value = make(found)
            if value is not None:
                gate.put(value, receive_ns, time_ns, out)

    def forget(self) -> None:
        """Store again what is stored on change only."""
        for _, gate in self._single:
            gate.forget()

    def _settings(self) -> list[tuple[str, MetricSettings]]:
        return list(self._place.rule.metrics.items())

    def _metric(
        self, name: str, settings: MetricSettings, source: Source, leaf: Leaf
    ) -> _Metric:
        make = self._make(source)
        scaled = (settings.scale, settings.offset) != (1.0, 0.0)
        if scaled:
            if leaf.kind is str:
                raise ConfigurationError(
                    f'metric {name}: scale and offset are for numbers, {source.text} is a text'
                )
            make = _scaled(make, settings.scale, settings.offset)
        whole = source.function is None and not scaled and leaf.type_name in _NO_FLOAT
        return _Metric(
            make, self._place.number(name, settings.unit, source.text),
            self._place.gate_rules(settings), leaf.kind is not str and not whole,
        )

    def _make(self, source: Source) -> Make:
        places = [self._paths.index(path) for path in source.paths]
        if source.function is None:
            return itemgetter(places[0])
        function = source.function.of or self._distance()
        pick = itemgetter(*places)

        def make(found: Sequence[Any]) -> float | None:
            values = pick(found)
            return None if None in values else function(*values)

        return make

    def _distance(self) -> Callable[[float, float, float], float]:
        odometer = Odometer(self._place.rule.largest_step)
        return lambda x, y, z: odometer.see(x, y, z, self._receive_ns)


def _source(name: str, settings: MetricSettings, cls: type) -> Source:
    source = Source.parse(settings.field)
    try:
        source.check(cls)
    except ConfigurationError as error:
        raise ConfigurationError(f'metric {name}: {error}') from error
    return source


def _scaled(make: Make, scale: float, offset: float) -> Make:
    def scaled(found: Sequence[Any]) -> float | None:
        value = make(found)
        return None if value is None else value * scale + offset

    return scaled


def _shared_period_ns(metrics: Sequence[_Metric]) -> int:
    """Return the period of all metrics where they have the same and no other rule, else 0."""
    periods = {each.rules.period_ns for each in metrics}
    waiting = any(each.rules.least_difference is not None for each in metrics)
    return 0 if waiting or len(periods) > 1 else periods.pop()


def _is_free(rules: GateRules) -> bool:
    return not rules.period_ns and rules.least_difference is None


def _are_finite(values: Sequence[Value | None]) -> bool:
    """Return whether all are finite numbers; now and then False where they only are large."""
    try:
        return math.isfinite(sum(values))  # type: ignore[arg-type]
    except TypeError:  # an element that is not there
        return False
