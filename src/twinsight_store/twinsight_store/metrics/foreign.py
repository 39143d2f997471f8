"""Texts and numbers that came from elsewhere: what no store could take is refused."""

from __future__ import annotations

ID_TEXT = 500
"""The ids of robots and missions, and names, have so many characters at most."""

LONG_TEXT = 20_000
"""Messages and texts of samples have so many; a message may quote some texts of samples."""

_INT64 = 1 << 63


def plain_text(found: object, limit: int = ID_TEXT) -> str:
    """
    Return a text that every store takes.

    Raises TypeError or ValueError where it is none, too long for the index of a database, holds a
    NUL, or is no Unicode.
    """
    if not isinstance(found, str):
        raise TypeError(f'{repr(found)[:80]} is no text')
    if len(found) > limit:
        raise ValueError(f'{found[:40]!r}... has {len(found)} characters, accepted are {limit}')
    if '\0' in found:
        raise ValueError(f'{found[:80]!r} holds a NUL')
    if not found.isascii():
        found.encode()  # raises a ValueError where there is half of a surrogate pair
    return found


def whole_number(found: object, least: int = -_INT64) -> int:
    """Return a whole number of 64 bits; raises TypeError or ValueError where it is none."""
    if type(found) is not int:  # true and false are of a class below int
        raise TypeError(f'{repr(found)[:80]} is no whole number')
    if not least <= found < _INT64:
        raise ValueError(f'{repr(found)[:80]} is out of range')
    return found
