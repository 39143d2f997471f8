"""Which bytes a request is for: preconditions and ranges as RFC 9110 has them."""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import NamedTuple

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_RANGE = re.compile(r'bytes=\s*(\d{0,19})-(\d{0,19})\s*', re.ASCII | re.IGNORECASE)

CONDITIONS = ('if-match', 'if-none-match', 'if-range')
"""The headers that ask whether what a client has is still true."""


class Part(NamedTuple):
    """
    What a request is answered with.

    status  200, 206, 304, 412 or 416
    start   first byte, of the file
    stop    behind its last byte
    """

    status: int
    start: int = 0
    stop: int = 0


def part_of(headers: Mapping[str, str], etag: str, size: int, ranges: bool = True) -> Part:
    """
    Return which part of a file a request is for.

    headers  of the request; their names in lower case
    etag     strong entity tag of the file, quoted
    size     of the file, in bytes
    ranges   whether the method has ranges: GET has, HEAD has not

    What is no range of bytes, and several ranges at once, are taken for the whole file, as the
    RFC allows.
    """
    if_match = headers.get('if-match')
    if if_match is not None and not _names(if_match, etag, weak=False):
        return Part(412)
    if_none_match = headers.get('if-none-match')
    if if_none_match is not None and _names(if_none_match, etag, weak=True):
        return Part(304)
    whole = Part(200, 0, size)
    match = _RANGE.fullmatch(headers.get('range', ''))
    if not ranges or match is None:
        return whole
    if_range = headers.get('if-range')
    if if_range is not None and if_range.strip() != etag:
        return whole
    first, last = match.groups()
    if first and last and int(first) > int(last):
        return whole
    if first:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    elif last:
        start, stop = max(size - int(last), 0), size
    else:
        return whole
    return Part(206, start, stop) if start < stop else Part(416)


def _names(tags: str, etag: str, weak: bool) -> bool:
    """Return whether a list of entity tags names ours; ``weak`` is how they are compared."""
    if tags.strip() == '*':
        return True
    return any(
        f'"{match[2]}"' == etag and (weak or not match[1]) for match in _TAG.finditer(tags)
    )
