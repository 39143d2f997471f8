"""What is computed from what was seen: errors of intervals, standstills, quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
import math


def interval_errors_ns(
    recorded_ns: Sequence[int], seen: Sequence[tuple[int, int]], rate: float
) -> list[int]:
    """
    Return by how much each interval between a topic's messages differs from the recorded one.

    recorded_ns  times of all messages of the topic
    seen         number (from 0) and time of each message that came; where one is missing the
                 interval from the one before to the one after counts
    rate         of playing
    """
    return [
        abs(now_ns - before_ns - round((recorded_ns[number] - recorded_ns[before]) / rate))
        for (before, before_ns), (number, now_ns) in pairwise(seen)
    ]


def standstill_ns(
    recorded_ns: tuple[int, int], seen_ns: tuple[int, int], rate: float
) -> int:
    """
    Return how much longer playing took than it should: what it waited for the store.

    recorded_ns, seen_ns  times of the first and the last message
    """
    (first_ns, last_ns), (seen_first_ns, seen_last_ns) = recorded_ns, seen_ns
    return seen_last_ns - seen_first_ns - round((last_ns - first_ns) / rate)


def waits(is_waiting: Sequence[bool]) -> tuple[int, int]:
    """Return how many periods of waiting a row of statuses shows, and in how many of them."""
    begun = sum(now and not before for before, now in pairwise([False, *is_waiting]))
    return begun, sum(is_waiting)


def quantile(values: Sequence[float], part: float) -> float | None:
    """Return the value that the given part (0 to 1) of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None
