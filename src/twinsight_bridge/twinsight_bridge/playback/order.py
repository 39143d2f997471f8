"""An order to a session, from whoever gives it."""

from __future__ import annotations

import math
from typing import NamedTuple

LEAST_RATE, MOST_RATE = 0.01, 100.0
"""The speeds that are played; those of the Foxglove SDK's own example."""


class Order(NamedTuple):
    """
    What is asked for together; None leaves it as it is.

    play     True plays (at the end: from the start), False pauses
    seek_ns  recorded time, Unix ns; what lies outside of the session means its start or end
    rate     2.0 plays twice as fast
    """

    play: bool | None = None
    seek_ns: int | None = None
    rate: float | None = None


def allowed_rate(rate: float) -> float:
    """Return the nearest speed that is played; the normal one where it is no number."""
    return 1.0 if math.isnan(rate) else min(max(rate, LEAST_RATE), MOST_RATE)
