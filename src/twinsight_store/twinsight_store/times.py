"""Times as people write them, and as they read them."""

from __future__ import annotations

from datetime import datetime, time, timezone
import re

from twinsight_store.errors import ConfigurationError

ACCEPTED = (
    'ISO 8601 (2026-11-23T14:00:00Z), HH:MM[:SS] of today, Unix seconds, or relative (-15m)'
)

_CLOCK = re.compile(r'(\d{1,2}):(\d{2})(?::(\d{2})(\.\d+)?)?', re.ASCII)
_UNIX = re.compile(r'(\d{9,10})(\.\d{1,9})?', re.ASCII)
_RELATIVE = re.compile(r'-(\d+(?:\.\d+)?)(s|m|h|d)', re.ASCII)
_DATE = re.compile(r'\d{4}-\d{2}-\d{2}', re.ASCII)
_ISO = re.compile(
    r'(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::(\d{2})(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?', re.ASCII
)
_SECONDS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}


def parse_time(text: str, now: datetime | None = None) -> int:
    """
    Return a time in Unix nanoseconds, exact to the last digit given.

    A time without zone is local. ``now`` (aware) is what relative times count from.
    Raises ConfigurationError, which names the accepted forms.
    """
    try:
        ns = _parsed(text, now or datetime.now(timezone.utc))
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f'time {text!r}: {error}; accepted are {ACCEPTED}') from error
    if ns is None:
        raise ConfigurationError(f'time {text!r}: accepted are {ACCEPTED}')
    if ns < 0:
        raise ConfigurationError(f'time {text!r}: it lies before 1970; accepted are {ACCEPTED}')
    return ns


def _parsed(text: str, now: datetime) -> int | None:
    if match := _RELATIVE.fullmatch(text):
        back_ns = round(float(match[1]) * _SECONDS[match[2]] * 1e9)
        return _whole_ns(now.replace(microsecond=0)) + now.microsecond * 1000 - back_ns
    if match := _UNIX.fullmatch(text):
        return int(match[1]) * 1_000_000_000 + _fraction_ns(match[2])
    if match := _CLOCK.fullmatch(text):
        clock = time(int(match[1]), int(match[2]), int(match[3] or 0))
        # Without zone, so that it is read with the offset of its own hour, not with now's.
        today = datetime.combine(now.astimezone().date(), clock)
        return _whole_ns(today) + _fraction_ns(match[4])
    if match := _ISO.fullmatch(text):
        day, minute, second, fraction, zone = match.groups()
        offset = f'{zone[:3]}:{zone[-2:]}' if zone else ''
        offset = '+00:00' if zone == 'Z' else offset
        moment = datetime.fromisoformat(f'{day}T{minute}:{second or "00"}{offset}')
        return _whole_ns(moment) + _fraction_ns(fraction)
    if _DATE.fullmatch(text):
        return _whole_ns(datetime.fromisoformat(text))
    return None


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
