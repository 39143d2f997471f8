from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from twinsight_store.errors import ConfigurationError
from twinsight_store.history.grid import Grid, Samples

INFINITY = float('inf')


def at(
    points: list[int], samples: list[tuple[int, Any]], method: str = 'last',
    tolerance_ns: int = 10, text: bool = False,
) -> list[Any]:
    """Return the values at points of samples (ns, value)."""
    series = Samples(Grid(1, method, tolerance_ns), text)
    for time_ns, value in samples:
        series.add(np.array([time_ns]), np.array([value]))
    found = series.at(np.array(points))
    assert found.type == (pa.string() if text else pa.float64())
    return found.to_pylist()


def test_last_holds_a_sample_up_to_the_tolerance_and_not_longer() -> None:
    assert at([99, 100, 101, 110, 111], [(100, 1.0)]) == [None, 1.0, 1.0, 1.0, None]


def test_last_takes_a_sample_from_its_own_time_on() -> None:
    assert at([104, 105, 106], [(100, 1.0), (105, 2.0)]) == [1.0, 2.0, 2.0]


def test_nearest_looks_to_both_sides_up_to_the_tolerance() -> None:
    assert at([89, 90, 100, 110, 111], [(100, 1.0)], 'nearest') == [None, 1.0, 1.0, 1.0, None]


def test_nearest_takes_the_earlier_of_two_as_near() -> None:
    samples = [(100, 1.0), (104, 2.0)]
    assert at([101, 102, 103], samples, 'nearest') == [1.0, 1.0, 2.0]


def test_linear_lies_on_the_line_between_two_samples() -> None:
    samples = [(100, 1.0), (104, 3.0), (108, -1.0)]
    assert at([99, 100, 101, 103, 104, 105, 108, 109], samples, 'linear') == [
        None, 1.0, 1.5, 2.5, 3.0, 2.0, -1.0, None
    ]


def test_linear_needs_both_samples_within_the_tolerance() -> None:
    samples = [(100, 0.0), (115, 15.0)]
    assert at([100, 104, 105, 110, 111, 115], samples, 'linear') == [
        0.0, None, 5.0, 10.0, None, 15.0
    ]


def test_no_tolerance_takes_what_was_measured_at_the_point_itself() -> None:
    for method in ('last', 'nearest', 'linear'):
        assert at([99, 100, 101, 102], [(100, 1.0), (102, 2.0)], method, 0) == [
            None, 1.0, None, 2.0
        ]


@pytest.mark.parametrize('method', ['last', 'nearest', 'linear'])
def test_of_samples_at_the_same_time_the_last_counts(method: str) -> None:
    assert at([100], [(100, 1.0), (100, 2.0)], method) == [2.0]
    assert at([104], [(95, 1.0), (105, 7.0), (105, 2.0)], 'nearest') == [2.0]


def test_no_samples_are_no_values() -> None:
    assert at([1, 2], []) == [None, None]
    assert at([1], [], text=True) == [None]


def test_nan_and_infinity_are_values_and_not_null() -> None:
    nan, plus, minus = at([100, 101, 102], [(100, np.nan), (101, INFINITY), (102, -INFINITY)])
    assert nan != nan and nan is not None
    assert (plus, minus) == (INFINITY, -INFINITY)
    assert at([102], [(100, 5.0), (104, INFINITY)], 'linear') == [INFINITY]


@pytest.mark.parametrize('method', ['last', 'nearest', 'linear'])
def test_texts_are_found_by_last_whatever_the_method(method: str) -> None:
    samples = [(100, 'IDLE'), (108, 'DRIVING')]
    assert at([99, 107, 108, 118, 119], samples, method, text=True) == [
        None, 'IDLE', 'DRIVING', 'DRIVING', None
    ]


def test_nanoseconds_of_our_time_stay_exact() -> None:
    now = 1_763_900_000_123_456_789
    assert at([now - 1, now, now + 10, now + 11], [(now, 1.0)]) == [None, 1.0, 1.0, None]
    assert at([now + 1], [(now, 0.0), (now + 4, 4.0)], 'linear') == [1.0]


@pytest.mark.parametrize('method', ['last', 'nearest', 'linear'])
def test_what_is_forgotten_changes_no_later_point(method: str) -> None:
    generator = np.random.default_rng(3)
    times = np.sort(generator.integers(0, 1000, 200))
    numbers = generator.normal(size=200)
    points = np.arange(0, 1000, 7)
    series = Samples(Grid(7, method, 12))
    series.add(times, numbers)
    whole = series.at(points).to_pylist()
    for cut in (3, 70, 142):
        series.forget_before(int(points[cut]))
        assert series.at(points[cut:]).to_pylist() == whole[cut:]


def test_the_points_are_multiples_of_the_period() -> None:
    grid = Grid(100, 'last', 0)
    assert [grid.index_at_or_after(time) for time in (0, 1, 99, 100, 101)] == [0, 1, 1, 1, 2]
    assert grid.points(1, 4).tolist() == [100, 200, 300]


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ((0, 'last', 0), 'period_ns 0: accepted is 1 or more'),
        ((1, 'last', -1), 'tolerance_ns -1: accepted is 0 or more'),
        ((1, 'cubic', 0), "method 'cubic': accepted are last, linear, nearest"),
    ],
)
def test_a_grid_that_is_none_says_what_is_accepted(options: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Grid(*options)
