"""
The samples of a batch as entries of Redis streams: one for each time and mission, as JSON.

An entry holds one value of a name; where a batch has several of one time they get further
entries of that time, so that none is lost. Entries are in the order of their times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from twinsight_store.live.layout import Latest, quoted
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.metric import Series

_TEXT_WEIGHT = 256

_Column = npt.NDArray[Any]


class BatchEntries:
    """The entries that a batch makes; they are written when they are asked for."""

    def __init__(self, batch: MetricBatch) -> None:
        self._batch = batch = _with_one_number_a_series(batch)
        groups: dict[tuple[str, str], int] = {}
        group_of = np.array(
            [
                groups.setdefault((each.robot_id, each.mission_id), len(groups))
                for each in batch.series
            ],
            np.int64,
        )
        self._groups = list(groups)
        self._robots = {robot_id for robot_id, _ in groups}
        self._order, self._begins = _sorted_rows(batch, group_of[batch.numbers])
        self._group_of = group_of

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._begins) - 1

    def cut(self, first: int, weight: int) -> tuple[int, int]:
        """
        Return where entries from ``first`` on end that have about this weight, and their weight.

        A sample weighs 1, and 1 more for each 256 characters of its text. It is one entry at
        least, where there is one.
        """
        sums = self._weights()
        most = int(np.searchsorted(sums, sums[first] + weight, 'right')) - 1
        end = min(max(most, first + 1), len(self))
        return end, int(sums[end] - sums[first])

    def texts(self, first: int, end: int) -> Iterator[tuple[str, list[str]]]:
        """Give the robots of entries ``first`` to ``end``, and the JSON of their entries."""
        begins = self._begins[first:end + 1]
        rows = self._order[begins[0]:begins[-1]]
        samples = self._samples(rows)
        groups = self._group_of[self._batch.numbers[self._order[begins[:-1]]]]
        times = self._batch.times[self._order[begins[:-1]]].tolist()
        missions = [quoted(mission_id) for _, mission_id in self._groups]
        bounds = (begins - begins[0]).tolist()
        texts = [
            f'{{"time_ns":{time_ns},"mission_id":{missions[group]},'
            f'"values":{{{",".join(samples[begin:stop])}}}}}'
            for time_ns, group, begin, stop in zip(
                times, groups.tolist(), bounds, bounds[1:], strict=False
            )
        ]
        if len(self._robots) == 1:
            yield self._groups[0][0], texts
            return
        for robot_id in sorted(self._robots):
            yield robot_id, [
                text for text, group in zip(texts, groups.tolist(), strict=True)
                if self._groups[group][0] == robot_id
            ]

    def latest(self, first: int, end: int) -> Iterator[tuple[str, str, Latest]]:
        """Give robot, name and newest sample of each metric in entries ``first`` to ``end``."""
        batch = self._batch
        rows = self._order[self._begins[first]:self._begins[end]]
        # Where a number is there several times numpy keeps the last, which is the newest.
        newest = np.full(len(batch.series), -1, np.int64)
        newest[batch.numbers[rows]] = rows
        times, values = batch.times[newest].tolist(), batch.values[newest].tolist()
        finite = np.isfinite(batch.values[newest]).tolist()
        for number, row in enumerate(newest.tolist()):
            if row >= 0:
                series = batch.series[number]
                yield series.robot_id, series.name, Latest(
                    times[number], values[number] if finite[number] else None,
                    batch.texts.get(row), series.mission_id,
                )

    def _samples(self, rows: _Column) -> list[str]:
        """Return ``"name":value`` of rows."""
        batch = self._batch
        heads = [f'{quoted(each.name)}:' for each in batch.series]
        values = batch.values[rows]
        samples = [
            heads[number] + value
            for number, value in zip(
                batch.numbers[rows].tolist(), map(repr, values.tolist()), strict=True
            )
        ]
        for index in np.flatnonzero(~np.isfinite(values)).tolist():
            row = int(rows[index])
            text = batch.texts.get(row)
            samples[index] = heads[batch.numbers[row]] + (
                'null' if text is None else quoted(text)
            )
        return samples

    def _weights(self) -> _Column:
        """Return the weight of all entries before each, and of all."""
        weights = np.ones(len(self._batch), np.int64)
        for row, text in self._batch.texts.items():
            weights[row] += len(text) // _TEXT_WEIGHT
        sums = np.concatenate(([0], np.cumsum(weights[self._order])))
        return sums[self._begins]


def _with_one_number_a_series(batch: MetricBatch) -> MetricBatch:
    """Return a batch in which a series that is listed several times has its first number only."""
    first: dict[Series, int] = {}
    numbers = [first.setdefault(each, number) for number, each in enumerate(batch.series)]
    if len(first) == len(numbers):
        return batch
    return replace(batch, numbers=np.array(numbers, np.uint32)[batch.numbers])


def _sorted_rows(batch: MetricBatch, groups: _Column) -> tuple[_Column, _Column]:
    """Return the rows in the order of entries, and where each entry begins; last, their count."""
    times, numbers = batch.times, batch.numbers
    order = np.arange(len(batch))
    if (times[1:] < times[:-1]).any() or (groups != groups[:1]).any():
        order = np.lexsort((groups, times))
    begins = _begins(times[order], groups[order])
    entries = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
    keys = entries * len(batch.series) + numbers[order]
    by_key = np.argsort(keys, kind='stable')
    again = np.flatnonzero(keys[by_key][1:] == keys[by_key][:-1]) + 1
    if not len(again):
        return order, begins
    # How many samples of the same name and entry come before each.
    earlier = np.zeros(len(batch), np.int64)
    for index in again.tolist():
        earlier[by_key[index]] = earlier[by_key[index - 1]] + 1
    second = np.lexsort((earlier, entries))
    order = order[second]
    return order, _begins(entries[second], earlier[second])


def _begins(*columns: _Column) -> _Column:
    """Return the rows at which any of several columns changes; also the first, and the end."""
    count = len(columns[0])
    changes = np.zeros(max(count - 1, 0), bool)
    for column in columns:
        changes |= column[1:] != column[:-1]
    return np.concatenate(([0] if count else [], np.flatnonzero(changes) + 1, [count])).astype(
        np.int64
    )
