"""The search for the highest rate at which nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Tried(Protocol):
    """What a trial at a rate showed."""

    @property
    def lossless(self) -> bool:
        """Return whether nothing was lost."""

    publish_hz: float
    full_rate: bool


T = TypeVar('T', bound=Tried)

_FASTER = 1.1


@dataclass
class Found(Generic[T]):
    """
    The end of a search.

    best     the trial at the highest lossless rate, None where each one lost messages
    lossy_hz the lowest rate at which messages were lost, None where there is none
    limit    what ended it: ``recorder`` (it lost messages) or ``publisher`` (no faster)
    """

    best: T | None
    lossy_hz: float | None
    limit: str
    trials: int


def highest_lossless(
    try_rate: Callable[[float], T], start_hz: float, factor: float, most_trials: int
) -> Found[T]:
    """
    Double or halve from a start, then halve the gap, until it is no wider than the factor.

    A trial whose publisher could not reach the rate counts with the rate that it reached; the
    search ends where the publisher does not get faster any more.
    """
    best: T | None = None
    lossy_hz: float | None = None
    rate_hz = start_hz
    for number in range(1, most_trials + 1):
        tried = try_rate(rate_hz)
        if tried.lossless:
            faster = best is None or tried.publish_hz > _FASTER * best.publish_hz
            if best is None or tried.publish_hz > best.publish_hz:
                best = tried
            if not tried.full_rate and not faster:
                return Found(best, lossy_hz, 'publisher', number)
        else:
            lossy_hz = min(rate_hz, tried.publish_hz, lossy_hz or rate_hz)
        if best is None:
            rate_hz = rate_hz / 4
        elif lossy_hz is None:
            rate_hz = 2 * rate_hz
        elif lossy_hz <= factor * best.publish_hz:
            break
        else:
            rate_hz = (best.publish_hz * lossy_hz) ** 0.5
    return Found(best, lossy_hz, 'recorder', number)
