"""Which part of a file a request is for, by RFC 9110."""

from __future__ import annotations

import pytest

from twinsight_bridge.remote_file.ranges import Part, part_of

ETAG = '"now"'
WHOLE = Part(200, 0, 1000)
NOT_THERE = Part(416)


@pytest.mark.parametrize(('text', 'part'), [
    ('bytes=0-0', Part(206, 0, 1)),
    ('bytes=10-19', Part(206, 10, 20)),
    ('bytes=990-', Part(206, 990, 1000)),
    ('bytes=-10', Part(206, 990, 1000)),
    ('bytes=-2000', Part(206, 0, 1000)),
    ('bytes=999-5000', Part(206, 999, 1000)),
    ('Bytes= 0-999', Part(206, 0, 1000)),
    ('bytes=1000-', NOT_THERE),
    ('bytes=1000-1001', NOT_THERE),
    ('bytes=-0', NOT_THERE),
    ('bytes=20-10', WHOLE),
    ('bytes=-', WHOLE),
    ('bytes=a-b', WHOLE),
    ('bytes=0-1,5-6', WHOLE),
    ('seconds=0-1', WHOLE),
    ('bytes=²-³', WHOLE),
    (f'bytes=0-{"9" * 5000}', WHOLE),
])  # fmt: skip
def test_a_range_is_a_part_of_the_file(text: str, part: Part) -> None:
    assert part_of({'range': text}, ETAG, 1000) == part


def test_only_get_has_ranges() -> None:
    assert part_of({'range': 'bytes=0-0'}, ETAG, 1000, ranges=False) == WHOLE


@pytest.mark.parametrize(('given', 'status'), [
    ('"now"', 206), ('"before"', 200), ('W/"now"', 200), ('now', 200),
    ('Tue, 24 Nov 2026 10:00:00 GMT', 200),
])  # fmt: skip
def test_a_range_of_another_file_is_the_whole_one(given: str, status: int) -> None:
    headers = {'range': 'bytes=0-9', 'if-range': given}
    assert part_of(headers, ETAG, 1000).status == status


@pytest.mark.parametrize(('given', 'matches'), [
    ('"now"', True), ('"a", "now"', True), ('*', True), ('"a", "b"', False), ('now', False),
])  # fmt: skip
def test_conditions_name_the_file(given: str, matches: bool) -> None:
    some = {'range': 'bytes=0-9'}
    assert part_of({**some, 'if-match': given}, ETAG, 1000).status == (206 if matches else 412)
    assert part_of({**some, 'if-none-match': given}, ETAG, 1000).status == (
        304 if matches else 206
    )


def test_a_weak_tag_matches_where_equal_content_is_enough() -> None:
    assert part_of({'if-match': 'W/"now"'}, ETAG, 1000) == Part(412)
    assert part_of({'if-none-match': 'W/"now"'}, ETAG, 1000) == Part(304)
