"""What every place that metrics are written to does: Redis, TimescaleDB, Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from twinsight_store.metrics.batch import Delivery


class Written(NamedTuple):
    """
    What became of deliveries.

    samples  that the sink has now, also those that it had already
    refused  samples and facts that it does not take, whatever is tried
    problem  why, in one line; '' where nothing was refused
    """

    samples: int
    refused: int = 0
    problem: str = ''


class MetricSink(Protocol):
    """
    One place that metrics are written to, used by one thread.

    name  redis, timescaledb or kafka
    """

    name: str

    def write(self, deliveries: Sequence[Delivery]) -> Written:
        """
        Write deliveries, in their order; return when the place has acknowledged all of them.

        It connects where it is not connected. What is refused for good (a value, a row) is
        counted, and does not hold up the rest. Raises StoreUnavailableError where the place is
        away, and StoreRefusedError where it takes nothing at the moment (read-only, no
        permission, full): nobody knows then what was written, the caller sends the same again,
        and what was written before is not written twice.
        """
        ...

    def close(self) -> None:
        """End the connection; fine where there is none."""
        ...
