"""Times in the database: timestamptz, whole microseconds; outside it is Unix nanoseconds."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

POSTGRES_EPOCH_US = 946_684_800_000_000
"""2000-01-01 in Unix microseconds: what times count from in binary."""

UNIX_NS = '(extract(epoch FROM {}) * 1000000)::bigint * 1000'
"""SQL: a time of the database in Unix ns."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST = datetime.min.replace(tzinfo=timezone.utc)
LAST = datetime.max.replace(tzinfo=timezone.utc)
"""The last moment that there is."""

_MICROSECOND = timedelta(microseconds=1)
_FIRST_US, _LAST_US = (_FIRST - _EPOCH) // _MICROSECOND, (LAST - _EPOCH) // _MICROSECOND


def moment(time_ns: int) -> datetime:
    """
    Return the floor of Unix ns in whole microseconds, as samples are stored.

    What lies before the year 1 or after 9999 is the first, or the last, moment of these.
    """
    return moment_us(time_ns // 1000)


def moment_us(time_us: int) -> datetime:
    """Return Unix microseconds as a moment; see moment()."""
    return _EPOCH + timedelta(microseconds=min(max(time_us, _FIRST_US), _LAST_US))


def unix_ns(stored: datetime) -> int:
    """Return a time of the database in Unix ns."""
    return (stored - _EPOCH) // _MICROSECOND * 1000
