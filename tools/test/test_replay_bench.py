"""What the replay's benchmark computes from what it saw."""

from __future__ import annotations

from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.replay.arithmetic import (  # noqa: E402
    interval_errors_ns,
    quantile,
    standstill_ns,
    waits,
)

MS = 1_000_000


def test_an_interval_counts_by_how_much_it_differs_from_the_recorded_one_over_the_rate() -> None:
    recorded = [0, 10 * MS, 20 * MS, 40 * MS]
    on_time = [(0, 500), (1, 500 + 5 * MS), (2, 500 + 10 * MS), (3, 500 + 20 * MS)]
    assert interval_errors_ns(recorded, on_time, 2.0) == [0, 0, 0]
    late = [(0, 0), (1, 10 * MS + 7), (2, 20 * MS + 7), (3, 40 * MS)]
    assert interval_errors_ns(recorded, late, 1.0) == [7, 0, 7]


def test_the_interval_around_a_lost_message_is_that_of_its_neighbours() -> None:
    recorded = [0, 10 * MS, 20 * MS]
    assert interval_errors_ns(recorded, [(0, 0), (2, 20 * MS + 3)], 1.0) == [3]


@pytest.mark.parametrize(('rate', 'took_ms', 'longer_ms'), [(1.0, 100, 0), (1.0, 107, 7),
                                                            (10.0, 10, 0), (10.0, 17, 7)])
def test_what_was_waited_for_is_how_much_longer_it_took(
    rate: float, took_ms: int, longer_ms: int
) -> None:
    seen = 900 * MS, (900 + took_ms) * MS
    assert standstill_ns((0, 100 * MS), seen, rate) == longer_ms * MS


@pytest.mark.parametrize(('statuses', 'periods', 'waiting'), [
    ('', 0, 0), ('pppp', 0, 0), ('wpp', 1, 1), ('pwwp', 1, 2), ('pwpww', 2, 3),
])
def test_statuses_of_waiting_in_a_row_are_one_period(
    statuses: str, periods: int, waiting: int
) -> None:
    assert waits([status == 'w' for status in statuses]) == (periods, waiting)


def test_a_quantile_is_a_value_that_was_seen() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [quantile(values, part) for part in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert quantile([], 0.5) is None
