from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
import time

import pytest

from twinsight_store.errors import ConfigurationError
from twinsight_store.times import format_span, format_time, parse_time

NOW = datetime(2026, 11, 23, 14, 30, 15, 250_000, tzinfo=timezone.utc)


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine's zone be one with summer time."""
    monkeypatch.setenv('TZ', 'Europe/Berlin')
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc_ns(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=timezone.utc).timestamp()) * 1_000_000_000  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ('text', 'expected_ns'),
    [
        ('2026-11-23T14:00:00Z', utc_ns(2026, 11, 23, 14)),
        ('2026-11-23 14:00:00Z', utc_ns(2026, 11, 23, 14)),
        ('2026-11-23T14:00Z', utc_ns(2026, 11, 23, 14)),
        ('2026-11-23T14:00:00+01:00', utc_ns(2026, 11, 23, 13)),
        ('2026-11-23T14:00:00+0100', utc_ns(2026, 11, 23, 13)),
        ('2026-11-23T00:30:00+01:00', utc_ns(2026, 11, 22, 23, 30)),
        ('2026-11-23T23:30:00-05:00', utc_ns(2026, 11, 24, 4, 30)),
        ('2026-11-23T14:00:00.5Z', utc_ns(2026, 11, 23, 14) + 500_000_000),
        ('2026-11-23T14:00:00.123456789Z', utc_ns(2026, 11, 23, 14) + 123_456_789),
        ('1763900000', 1_763_900_000_000_000_000),
        ('1763900000.000000001', 1_763_900_000_000_000_001),
        ('1763900000.123456789', 1_763_900_000_123_456_789),
        ('999999999', 999_999_999_000_000_000),
    ],
)
def test_a_time_with_a_zone_is_exact_to_the_nanosecond(text: str, expected_ns: int) -> None:
    assert parse_time(text, NOW) == expected_ns


@pytest.mark.parametrize(
    ('text', 'back'),
    [
        ('-15m', timedelta(minutes=15)),
        ('-2h', timedelta(hours=2)),
        ('-30s', timedelta(seconds=30)),
        ('-1d', timedelta(days=1)),
        ('-1.5h', timedelta(minutes=90)),
        ('-0.25s', timedelta(milliseconds=250)),
        ('-0s', timedelta()),
    ],
)
def test_a_relative_time_counts_back_from_now(text: str, back: timedelta) -> None:
    then = NOW - back
    expected_ns = int(then.replace(microsecond=0).timestamp()) * 10**9 + then.microsecond * 1000
    assert parse_time(text, NOW) == expected_ns


@pytest.mark.parametrize(
    ('text', 'expected_ns'),
    [
        ('15:30', utc_ns(2026, 11, 23, 14, 30)),
        ('9:05', utc_ns(2026, 11, 23, 8, 5)),
        ('15:30:15', utc_ns(2026, 11, 23, 14, 30, 15)),
        ('15:30:15.000000001', utc_ns(2026, 11, 23, 14, 30, 15) + 1),
        ('00:00', utc_ns(2026, 11, 22, 23)),
        ('23:59:59', utc_ns(2026, 11, 23, 22, 59, 59)),
    ],
)
def test_a_clock_time_is_todays_in_the_machines_zone(
    in_berlin: None, text: str, expected_ns: int
) -> None:
    assert parse_time(text, NOW) == expected_ns


def test_today_is_the_local_day_on_both_sides_of_midnight(in_berlin: None) -> None:
    after = datetime(2026, 11, 23, 23, 0, 0, tzinfo=timezone.utc)
    before = after - timedelta(seconds=1)
    assert parse_time('12:00', before) == utc_ns(2026, 11, 23, 11)
    assert parse_time('12:00', after) == utc_ns(2026, 11, 24, 11)


@pytest.mark.parametrize(
    ('text', 'expected_ns'),
    [('01:30', utc_ns(2026, 10, 24, 23, 30)), ('12:00', utc_ns(2026, 10, 25, 11))],
)
def test_on_the_day_summer_time_ends_each_clock_time_has_the_offset_of_its_own_hour(
    in_berlin: None, text: str, expected_ns: int
) -> None:
    assert parse_time(text, datetime(2026, 10, 25, 13, 0, tzinfo=timezone.utc)) == expected_ns


def test_a_time_without_zone_is_the_machines(in_berlin: None) -> None:
    assert parse_time('2026-07-01T12:00:00') == utc_ns(2026, 7, 1, 10)
    assert parse_time('2026-12-01T12:00:00.5') == utc_ns(2026, 12, 1, 11) + 500_000_000
    assert parse_time('2026-12-01') == utc_ns(2026, 11, 30, 23)


@pytest.mark.parametrize(
    'text',
    [
        '', 'now', 'yesterday', '15m', '+15m', '-15', '-15 m', '-m', '12', '12345678901', '24:00',
        '14:60', '14:30:60', '1:2', '14:30.5', '2026-13-01', '2026-02-30T00:00:00Z',
        '2026-11-23T14', '2026-11-23T14:00.5Z', '2026-11-23T14:00:00+99:00', '1763900000.',
        '0001-01-01', '-99999999d', '1969-12-31T23:59:59Z', '١٤:٣٠',
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_time(text, NOW)
    assert str(error.value).startswith(f'time {text!r}: ')
    for form in ('ISO 8601', 'HH:MM[:SS] of today', 'Unix seconds', 'relative (-15m)'):
        assert form in str(error.value)


def test_people_read_times_in_utc_to_the_millisecond() -> None:
    assert format_time(1_763_900_000_123_999_999) == '2025-11-23 12:13:20.123 UTC'


def test_an_open_end_of_a_span_is_named() -> None:
    assert format_span(None, None) == 'the first message to the last message'
    assert format_span(0, None) == '1970-01-01 00:00:00.000 UTC to the last message'
    assert format_span(None, 10**9) == 'the first message to 1970-01-01 00:00:01.000 UTC'
