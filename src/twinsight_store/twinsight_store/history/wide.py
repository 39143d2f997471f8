"""Several metrics side by side on one uniform grid of time, as Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from psycopg.sql import SQL
import pyarrow as pa

from twinsight_store.history.arrow_stream import stream
from twinsight_store.history.catalog import nothing_matched
from twinsight_store.history.grid import Grid, Samples
from twinsight_store.history.postgres import connect, postgres_errors, PostgresSettings
from twinsight_store.history.resolution import RAW
from twinsight_store.history.selection_sql import metric_condition
from twinsight_store.history.slices import slices
from twinsight_store.history.times import UNIX_NS
from twinsight_store.metrics.glob import glob_expression
from twinsight_store.selection import Selection

# What is in memory at a time: cells of a window, and samples on their way to it.
_CELLS = 250_000
_HELD = 250_000

# A number that no table holds is stored as a text, see metric.normalised().
_NOT_FINITE = "('NaN', 'Infinity', '-Infinity')"
_SPANS = f"""
    SELECT robot_id, name,
           {UNIX_NS.format('min(time)')}, {UNIX_NS.format('max(time)')},
           bool_or(value IS NOT NULL OR text IN {_NOT_FINITE})
    FROM metric WHERE {{}} AND (value IS NOT NULL OR text IS NOT NULL)
    GROUP BY robot_id, name ORDER BY robot_id COLLATE "C", name COLLATE "C"
"""
_SAMPLES = f"""
    SELECT time, robot_id, name,
           CASE WHEN value IS NULL AND text IN {_NOT_FINITE} THEN text::float8 ELSE value END,
           CASE WHEN value IS NULL THEN text END
    FROM metric WHERE {{}} AND (value IS NOT NULL OR text IS NOT NULL)
    ORDER BY time, robot_id COLLATE "C", name COLLATE "C", mission_id COLLATE "C", value, text
"""


def wide(
    settings: PostgresSettings, selection: Selection, *names: str, period_ns: int,
    tolerance_ns: int, method: str = 'last',
) -> pa.Table:
    """
    Return the selected metrics as columns, their values at the points of a uniform grid.

    names         metric names or globs, whose order is that of the columns; none select all
    period_ns     distance of the points, which are multiples of it since 1970 (Unix ns)
    tolerance_ns  how far from a point a sample may lie that its value is made of, included
    method        last, linear or nearest, as grid.Grid defines them

    Columns: time (timestamp[ns, UTC]), robot_id (dictionary of strings), then one for each
    metric: float64, with NaN and the infinities where these were measured, or string where a
    metric has no number at all. Texts are found by ``last``; among numbers they are left out.

    Rows: the points with from <= time < to, for each robot that has any of the metrics near
    there; where an end is open, from the robot's first or to its last sample. In time order,
    ties by robot. Samples outside of the span count too, where a point's tolerance reaches them,
    so a span gives the same rows in one piece as in two. Missions are not kept apart: select
    one where a value must not come from the one before.

    The schema's metadata has twinsight.period_ns, twinsight.tolerance_ns and twinsight.method.
    Raises what wide_batches() raises.
    """
    return pa.Table.from_batches(
        wide_batches(
            settings, selection, *names, period_ns=period_ns, tolerance_ns=tolerance_ns,
            method=method,
        )
    ).unify_dictionaries()


def wide_batches(
    settings: PostgresSettings, selection: Selection, *names: str, period_ns: int,
    tolerance_ns: int, method: str = 'last',
) -> Iterator[pa.RecordBatch]:
    """
    Give what wide() returns in windows of time; memory does not grow with the samples.

    It does with the samples of one tolerance where the method looks ahead (linear, nearest).
    Raises, with the first batch, NothingMatchedError, which says what there is, also where a
    span lies between two points; ConfigurationError; StoreUnavailableError, StoreRefusedError.
    """
    grid = Grid(period_ns, method, tolerance_ns)
    reaching = _reaching(selection, grid)
    condition = metric_condition(reaching, names)
    with connect(settings) as connection, postgres_errors(settings):
        found = [_Found(*row) for row in connection.execute(SQL(_SPANS).format(condition))]
        parts = slices(connection, reaching, names, RAW)
    plan = _plan(grid, selection, names, found)
    if not plan.rows:
        raise nothing_matched(settings, selection, names=names)
    assembly = _Assembly(grid, plan)
    for part in parts:
        query = SQL(_SAMPLES).format(metric_condition(part, names)).as_string()
        for batch in stream(settings, query):
            yield from assembly.add(batch)
    yield from assembly.finish()


class _Found(NamedTuple):
    """A metric of a robot in the span; ``number`` says whether it has any number."""

    robot_id: str
    name: str
    first_ns: int
    last_ns: int
    number: bool


@dataclass(frozen=True)
class _Plan:
    """
    What is to be given.

    rows     robot → numbers of its first point and of the one behind its last
    columns  metric → whether it is a text
    """

    rows: dict[str, tuple[int, int]]
    columns: dict[str, bool]

    def window(self, at: int) -> tuple[int, int] | None:
        """Return the next points that have rows, from ``at`` on; None where there are none."""
        ahead = [row for row in self.rows.values() if row[1] > at]
        if not ahead:
            return None
        size = max(1, _CELLS // (len(self.rows) * (len(self.columns) + 2)))
        first = max(at, min(begin for begin, _ in ahead))
        return first, min(first + size, max(stop for _, stop in ahead))


def _reaching(selection: Selection, grid: Grid) -> Selection:
    """Return the selection with all samples that points in its span may need."""
    from_ns, to_ns = selection.from_ns, selection.to_ns
    return replace(
        selection,
        from_ns=None if from_ns is None else max(0, from_ns - grid.tolerance_ns),
        to_ns=None if to_ns is None else min(to_ns + grid.tolerance_ns + 1000, (1 << 63) - 1),
    )


def _plan(
    grid: Grid, selection: Selection, names: Sequence[str], found: list[_Found]
) -> _Plan:
    rows: dict[str, tuple[int, int]] = {}
    for robot in dict.fromkeys(each.robot_id for each in found):
        own = [each for each in found if each.robot_id == robot]
        first_ns, stop_ns = selection.from_ns, selection.to_ns
        if first_ns is None:
            first_ns = min(each.first_ns for each in own)
        if stop_ns is None:
            stop_ns = max(each.last_ns for each in own) + 1
        row = grid.index_at_or_after(first_ns), grid.index_at_or_after(stop_ns)
        if row[0] < row[1]:
            rows[robot] = row
    known = sorted({each.name for each in found})
    wanted = [glob_expression(name) for name in names or ['*']]
    ordered = [name for each in wanted for name in known if each.fullmatch(name)]
    numbers = {each.name for each in found if each.number}
    return _Plan(rows, {name: name not in numbers for name in ordered})


class _Assembly:
    """Sorts samples into their series and gives each window when nothing more can change it."""

    def __init__(self, grid: Grid, plan: _Plan) -> None:
        self._grid = grid
        self._plan = plan
        self._robots = {robot: number for number, robot in enumerate(plan.rows)}
        self._columns = {name: number for number, name in enumerate(plan.columns)}
        self._texts = np.array(list(plan.columns.values()))
        self._series = [
            [Samples(grid, text) for text in plan.columns.values()] for _ in self._robots
        ]
        self._lookahead_ns = max(each.lookahead_ns for each in self._series[0])
        self._window = plan.window(min(first for first, _ in plan.rows.values()))
        self._held = 0
        self._schema = _schema(grid, plan)

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Take the next samples in time order; give the windows that are complete."""
        time, robot, name, number, text = batch.columns
        times = time.cast(pa.int64()).to_numpy() * 1000
        columns = _numbers(name, self._columns)
        series = _numbers(robot, self._robots) * len(self._columns) + columns
        texts = self._texts[columns.clip(0)]
        numbers = number.to_numpy(zero_copy_only=False)
        usable = np.where(texts, text.is_valid(), number.is_valid())
        # Stable, so that each series stays in time order.
        order = np.argsort(series, kind='stable')
        order = order[usable[order] & (series[order] >= 0)]
        bounds = np.flatnonzero(np.diff(series[order])) + 1
        words = text.to_numpy(zero_copy_only=False) if texts.any() else numbers
        for rows in np.split(order, bounds) if len(order) else ():
            each = divmod(int(series[rows[0]]), len(self._columns))
            values = words if self._texts[each[1]] else numbers
            self._series[each[0]][each[1]].add(times[rows], values[rows])
        self._held += len(order)
        yield from self._complete(int(times[-1]))

    def finish(self) -> Iterator[pa.RecordBatch]:
        """Give the windows that are left."""
        yield from self._complete(None)

    def _complete(self, reached_ns: int | None) -> Iterator[pa.RecordBatch]:
        """Give what samples after ``reached_ns`` cannot change; None: there are no more."""
        while self._window:
            first, stop = self._window
            if reached_ns is not None:
                done = self._grid.index_at_or_after(reached_ns - self._lookahead_ns)
                if done < stop and self._held < _HELD:
                    return
                stop = min(stop, done)
            if stop > first:
                yield self._batch(first, stop)
                self._window = self._plan.window(stop)
            if self._window:
                self._forget_before(self._window[0] * self._grid.period_ns)
            if stop <= first:
                return

    def _forget_before(self, point_ns: int) -> None:
        for samples in (each for row in self._series for each in row):
            samples.forget_before(point_ns)
        self._held = 0

    def _batch(self, first: int, stop: int) -> pa.RecordBatch:
        times: list[Any] = []
        robots: list[Any] = []
        columns: list[list[pa.Array]] = [[] for _ in self._columns]
        for number, (begin, end) in enumerate(self._plan.rows.values()):
            points = self._grid.points(max(first, begin), min(stop, end))
            times.append(points)
            robots.append(np.full(len(points), number, np.int32))
            for column, samples in zip(columns, self._series[number], strict=True):
                column.append(samples.at(points))
        when = np.concatenate(times)
        batch = pa.record_batch(
            [
                pa.array(when).cast(self._schema.field('time').type),
                pa.DictionaryArray.from_arrays(np.concatenate(robots), list(self._robots)),
                *(pa.concat_arrays(column) for column in columns),
            ],
            schema=self._schema,
        )
        if len(self._robots) == 1:
            return batch
        return batch.take(pa.array(np.argsort(when, kind='stable')))


def _numbers(column: pa.Array, known: dict[str, int]) -> Any:
    """Return the number of each name; far below 0 for one that was not there when we planned."""
    encoded = column.dictionary_encode()
    of_words = [known.get(word, -(1 << 40)) for word in encoded.dictionary.to_pylist()]
    return np.array(of_words, np.int64)[encoded.indices.to_numpy()]


def _schema(grid: Grid, plan: _Plan) -> pa.Schema:
    return pa.schema(
        [
            ('time', pa.timestamp('ns', tz='UTC')),
            ('robot_id', pa.dictionary(pa.int32(), pa.string())),
            *(
                (name, pa.string() if text else pa.float64())
                for name, text in plan.columns.items()
            ),
        ],
        {
            'twinsight.period_ns': str(grid.period_ns),
            'twinsight.tolerance_ns': str(grid.tolerance_ns),
            'twinsight.method': grid.method,
        },
    )
