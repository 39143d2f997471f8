"""Times as people write them, and as they read them."""

from __future__ import annotations

from datetime import datetime, time, timezone
import re

from twinsight_store.errors import ConfigurationError

ACCEPTED = (
    'ISO 8601 (2026-11-23T14:00:00Z), HH:MM[:SS] of today, Unix seconds, or relative (-15m)'
)

_CLOCK = re.compile(r'(\d{1,2}):(\d{2})(?::(\d{2}))?(\.\d+)?')
_UNIX = re.compile(r'(\d{9,10})(\.\d{1,9})?')
_RELATIVE = re.compile(r'-(\d+(?:\.\d+)?)(s|m|h|d)')
_ISO = re.compile(r'(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?)(\.\d+)?(Z|[+-]\d{2}:?\d{2})?')
_DATE = re.compile(r'\d{4}-\d{2}-\d{2}')
_SECONDS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}


def parse_time(text: str, now: datetime | None = None) -> int:
    """
    Return a time in Unix nanoseconds, exact to the last digit given.

    A time without zone is local. ``now`` (aware) is what relative times count from.
    Raises ConfigurationError, which names the accepted forms.
    """
    now = now or datetime.now().astimezone()
    try:
        if match := _RELATIVE.fullmatch(text):
            back_ns = round(float(match[1]) * _SECONDS[match[2]] * 1e9)
            return _whole_ns(now.replace(microsecond=0)) + now.microsecond * 1000 - back_ns
        if match := _UNIX.fullmatch(text):
            return int(match[1]) * 1_000_000_000 + _fraction_ns(match[2])
        if match := _CLOCK.fullmatch(text):
            clock = time(int(match[1]), int(match[2]), int(match[3] or 0))
            today = datetime.combine(now.date(), clock, tzinfo=now.tzinfo)
            return _whole_ns(today) + _fraction_ns(match[4])
        if match := _ISO.fullmatch(text):
            moment = datetime.fromisoformat(match[1])
            if match[3]:
                zone = match[3].replace('Z', '+00:00')
                zone = zone if ':' in zone else f'{zone[:3]}:{zone[3:]}'
                moment = datetime.fromisoformat(moment.isoformat() + zone)
            return _whole_ns(moment.astimezone()) + _fraction_ns(match[2])
        if _DATE.fullmatch(text):
            return _whole_ns(datetime.fromisoformat(text).astimezone())
    except ValueError as error:
        raise ConfigurationError(f'time {text!r}: {error}; accepted are {ACCEPTED}') from error
    raise ConfigurationError(f'time {text!r}: accepted are {ACCEPTED}')


def format_time(ns: int) -> str:
    """Return a time in UTC to the millisecond, for people."""
    moment = datetime.fromtimestamp(ns // 1_000_000_000, tz=timezone.utc)
    return f'{moment:%Y-%m-%d %H:%M:%S}.{ns // 1_000_000 % 1000:03d} UTC'


def format_span(from_ns: int | None, to_ns: int | None) -> str:
    """Return a span in UTC, for people; an open end is named as such."""
    start = 'the first message' if from_ns is None else format_time(from_ns)
    end = 'the last message' if to_ns is None else format_time(to_ns)
    return f'{start} to {end}'


def _whole_ns(moment: datetime) -> int:
    return round(moment.timestamp()) * 1_000_000_000


def _fraction_ns(fraction: str | None) -> int:
    return int(fraction[1:10].ljust(9, '0')) if fraction else 0
