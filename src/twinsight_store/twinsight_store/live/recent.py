"""What Redis acknowledged a moment ago, kept in case that a crash takes it back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
import time

from twinsight_store.metrics.batch import Delivery

# With `appendfsync everysec`, its default, Redis puts off writing its log while the disk is slow,
# up to 2 s, and has answered by then; what it wrote may take another second to the disk.
KEPT_S = 5.0
KEPT_BYTES = 32_000_000  # 1.5 million samples without texts


class RecentDeliveries:
    """The deliveries of the last seconds, in their order; of too many the oldest go first."""

    def __init__(self, kept_s: float = KEPT_S, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_ns = round(kept_s * 1e9)
        self._kept_bytes = kept_bytes
        self._kept: deque[tuple[int, Delivery]] = deque()
        self._bytes = 0

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Keep what was acknowledged just now."""
        now = time.monotonic_ns()
        for delivery in deliveries:
            self._kept.append((now, delivery))
            self._bytes += delivery.batch.memory_bytes()
        self._drop_old(now)

    def deliveries(self) -> list[Delivery]:
        """Return what is kept, the oldest first."""
        return [delivery for _, delivery in self._kept]

    def sources(self) -> set[str]:
        """Return the sources of what is kept."""
        return {delivery.source for _, delivery in self._kept}

    def _drop_old(self, now: int) -> None:
        while self._kept and (
            self._kept[0][0] < now - self._kept_ns or self._bytes > self._kept_bytes
        ):
            self._bytes -= self._kept.popleft()[1].batch.memory_bytes()
