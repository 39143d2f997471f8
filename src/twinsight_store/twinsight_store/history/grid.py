"""Samples that come when they come, as values at the points of a uniform grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from twinsight_store.errors import ConfigurationError

METHODS = ('last', 'linear', 'nearest')

Times = npt.NDArray[np.int64]
"""Unix ns, in ascending order."""


@dataclass(frozen=True)
class Grid:
    """
    The multiples of ``period_ns`` since 1970, and how a value is found at such a point g.

    last     the latest sample at or before g
    nearest  the sample nearest to g, of two as near the earlier
    linear   on the straight line between the latest sample at or before g and the next one; at
             a sample's own time that sample

    Every sample that is used is at most ``tolerance_ns`` away from g (exactly so far is near
    enough); where there is none, so for linear on either side, the value is null. So ``last``
    and ``linear`` give nothing before the first sample, ``linear`` nothing after the last. Of
    several samples at the same time the last one counts.
    """

    period_ns: int
    method: str
    tolerance_ns: int

    def __post_init__(self) -> None:
        if self.period_ns < 1:
            raise ConfigurationError(f'period_ns {self.period_ns}: accepted is 1 or more')
        if self.tolerance_ns < 0:
            raise ConfigurationError(f'tolerance_ns {self.tolerance_ns}: accepted is 0 or more')
        if self.method not in METHODS:
            raise ConfigurationError(
                f'method {self.method!r}: accepted are {", ".join(METHODS)}'
            )

    def index_at_or_after(self, time_ns: int) -> int:
        """Return the number of the first point that is not before a time."""
        return -(-time_ns // self.period_ns)

    def points(self, first: int, stop: int) -> Times:
        """Return the times of the points ``first`` to before ``stop``."""
        return np.arange(first, stop, dtype=np.int64) * self.period_ns


class Samples:
    """
    The samples of one metric that are still needed, in time order, on their way to a grid.

    ``text`` says whether they are texts: these are found by ``last``, whatever the method.
    """

    def __init__(self, grid: Grid, text: bool = False) -> None:
        self._tolerance_ns = grid.tolerance_ns
        self._method = 'last' if text else grid.method
        self._type = pa.string() if text else pa.float64()
        self._times: list[Times] = []
        self._values: list[npt.NDArray[Any]] = []

    @property
    def lookahead_ns(self) -> int:
        """Return how far behind a point a sample may lie that its value depends on."""
        return 0 if self._method == 'last' else self._tolerance_ns

    def add(self, times: Times, values: npt.NDArray[Any]) -> None:
        """Take samples, none of which is earlier than those before."""
        self._times.append(times)
        self._values.append(values)

    def at(self, points: Times) -> pa.Array:
        """Return the values at points of the grid, null where there is none."""
        times, values = self._merged()
        if not len(times):
            return pa.nulls(len(points), self._type)
        before = np.searchsorted(times, points, side='right') - 1
        after = before + 1
        far = np.iinfo(np.int64).max
        back_ns = np.where(before >= 0, points - times[before.clip(0)], far)
        ahead_ns = np.where(
            after < len(times), times[after.clip(max=len(times) - 1)] - points, far
        )
        if self._method == 'linear':
            return self._between(values, before, back_ns, ahead_ns)
        chosen, away_ns = before, back_ns
        if self._method == 'nearest':
            later = ahead_ns < back_ns
            chosen, away_ns = np.where(later, after, before), np.minimum(ahead_ns, back_ns)
        return self._array(values[chosen.clip(0)], away_ns <= self._tolerance_ns)

    def forget_before(self, point: int) -> None:
        """Drop what no point from this one (Unix ns) on depends on."""
        times, values = self._merged()
        start = max(0, int(np.searchsorted(times, point, side='right')) - 1)
        self._times, self._values = [times[start:]], [values[start:]]

    def _between(
        self, values: npt.NDArray[Any], before: npt.NDArray[np.int64], back_ns: Times,
        ahead_ns: Times,
    ) -> pa.Array:
        near = (back_ns <= self._tolerance_ns) & (ahead_ns <= self._tolerance_ns)
        exact = back_ns == 0
        low = values[before.clip(0)]
        high = values[(before + 1).clip(max=len(values) - 1)]
        inside = near & ~exact
        share = np.zeros(len(before))
        share[inside] = back_ns[inside] / (back_ns[inside] + ahead_ns[inside])
        with np.errstate(invalid='ignore', over='ignore'):
            line = low + (high - low) * share
        return self._array(np.where(exact, low, line), near | exact)

    def _merged(self) -> tuple[Times, npt.NDArray[Any]]:
        """Return all samples; of those at the same time, the last."""
        if not self._times:
            return np.empty(0, np.int64), np.empty(0)
        times, values = np.concatenate(self._times), np.concatenate(self._values)
        last = np.append(times[1:] != times[:-1], True)[:len(times)]
        times, values = times[last], values[last]
        self._times, self._values = [times], [values]
        return times, values

    def _array(self, values: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> pa.Array:
        return pa.array(values, self._type, mask=~valid, from_pandas=False)
