"""Which values of a metric become samples."""

from __future__ import annotations

from dataclasses import dataclass
import math

from twinsight_recorder.rate_limit import RateLimit
from twinsight_store.field_steps import Value
from twinsight_store.metrics.columns import SampleColumns


@dataclass(frozen=True)
class GateRules:
    """
    What keeps a value from being stored.

    period_ns         shortest time between two samples; 0 takes all
    least_difference  from the last sample; 0 for any, None: what has not changed is stored too
    skips_nan         whether NaN stands for "not measured"
    """

    period_ns: int = 0
    least_difference: float | None = None
    skips_nan: bool = False


class Gate:
    """
    Lets values of one metric through, and counts those that it does not.

    What has changed while the rate is used up is not forgotten: it is let through when the
    next one may be, unless it changes back before.
    """

    def __init__(self, number: int, rules: GateRules) -> None:
        self._number = number
        self._limit = RateLimit(rules.period_ns) if rules.period_ns else None
        self._least_difference = rules.least_difference
        self._skips_nan = rules.skips_nan
        self._last: Value | None = None

    def forget(self) -> None:
        """Let the next value through as if it were the first."""
        self._last = None

    def put(self, value: Value, receive_ns: int, time_ns: int, out: SampleColumns) -> None:
        """Take a value that came at receive_ns and holds at time_ns."""
        counts = out.counts
        counts.values += 1
        if self._skips_nan and value != value:
            counts.not_measured += 1
        elif self._least_difference is not None and not self._has_changed(value):
            counts.unchanged += 1
        elif self._limit is not None and not self._limit.takes(receive_ns):
            counts.rate_limited += 1
        elif out.add(self._number, time_ns, value):
            self._last = value

    def _has_changed(self, value: Value) -> bool:
        last = self._last
        if last is None or isinstance(value, str) or isinstance(last, str):
            return value != last
        if value == last:
            return False
        if math.isnan(value) or math.isnan(last):
            return math.isnan(value) != math.isnan(last)
        return not self._least_difference or abs(value - last) >= self._least_difference
