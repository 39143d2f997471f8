"""Which form of an answer a client wants, by the header Accept (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence


def preferred(accept: str, offered: Sequence[str]) -> str | None:
    """
    Return the media type that a client likes most; of those that it likes as much, the first.

    None where it accepts none of them. No header, '', accepts all.
    """
    ranges = [_range(part) for part in accept.split(',') if part.strip()] or [('*/*', 1.0)]
    best, best_quality = None, 0.0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > best_quality:
            best, best_quality = media_type, quality
    return best


def _range(text: str) -> tuple[str, float]:
    media_range, *parameters = (part.strip().lower() for part in text.split(';'))
    for parameter in parameters:
        name, _, value = parameter.partition('=')
        if name.strip() == 'q':
            try:
                return media_range, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return media_range, 0.0
    return media_range, 1.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Return how much a type is liked: the most exact of the ranges that it is in tells."""
    for wanted in (media_type, f'{media_type.split("/")[0]}/*', '*/*'):
        for media_range, quality in ranges:
            if media_range == wanted:
                return quality
    return 0.0
