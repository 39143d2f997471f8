"""How exactly messages were published: distribution of publish time minus due time."""

from __future__ import annotations

from collections.abc import Iterable

_STEPS = 32


class TimingError:
    """
    Counts errors in buckets that are 3 % wide, so memory stays the same however long it runs.

    Errors are nanoseconds late; early ones do not occur.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.max_ns = 0

    @classmethod
    def of_all(cls, parts: Iterable[TimingError]) -> TimingError:
        """Return the distribution of several together."""
        whole = cls()
        for part in parts:
            whole.count += part.count
            whole.max_ns = max(whole.max_ns, part.max_ns)
            for bucket, count in part._buckets.items():
                whole._buckets[bucket] = whole._buckets.get(bucket, 0) + count
        return whole

    def add(self, error_ns: int) -> None:
        """Count one error."""
        error_ns = max(0, error_ns)
        self.count += 1
        self.max_ns = max(self.max_ns, error_ns)
        bucket = _bucket(error_ns)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    def quantile_ns(self, part: float) -> int:
        """Return the error that the given part (0 to 1) of the messages did not exceed."""
        left = part * self.count
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return min(_upper_bound(bucket), self.max_ns)
        return self.max_ns


def _bucket(error_ns: int) -> int:
    shift = max(0, error_ns.bit_length() - _STEPS.bit_length())
    return shift * _STEPS + (error_ns >> shift)


def _upper_bound(bucket: int) -> int:
    if bucket < 2 * _STEPS:
        return bucket
    shift, step = bucket // _STEPS - 1, bucket % _STEPS + _STEPS
    return ((step + 1) << shift) - 1
