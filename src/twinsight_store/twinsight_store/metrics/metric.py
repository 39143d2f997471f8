"""
A metric: a named number or text of a robot that changes over time.

A sample has a number, a text, or (a whole number that a float cannot hold) both. What no table
and no JSON takes as it is has one defined form: see normalised().
"""

from __future__ import annotations

import math
from typing import NamedTuple

from twinsight_store.field_steps import Value

TEXT_LIMIT = 4096
"""A text of a metric has so many characters at most; longer ones are cut."""

_EXACT = 1 << 53


class Series(NamedTuple):
    """Which samples belong together: those of one metric of one robot in one mission."""

    robot_id: str
    mission_id: str
    name: str


class Stored(NamedTuple):
    """
    What is stored of a value.

    value    the number, None where there is none; always finite
    text     the text, None where there is none
    altered  whether it is not what was measured: it was cut, or a character was replaced
    """

    value: float | None
    text: str | None
    altered: bool = False


def normalised(value: Value) -> Stored:
    """
    Return what is stored of a value: never NaN, infinite, with a NUL, or too long.

    NaN and the infinities become the texts ``NaN``, ``Infinity`` and ``-Infinity``; true and
    false 1 and 0; a whole number beyond 2^53 its nearest float and, as text, its digits. In a
    text NUL and what is no Unicode (half a surrogate pair) become U+FFFD; one of more than
    TEXT_LIMIT characters is cut there and ends with its length.
    """
    if isinstance(value, str):
        return _text(value)
    number = float(value)
    if not math.isfinite(number):
        return Stored(None, 'NaN' if math.isnan(number) else f'{"-" * (number < 0)}Infinity', True)
    if isinstance(value, int) and abs(value) > _EXACT:
        return Stored(number, str(value))
    return Stored(number, None)


def _text(text: str) -> Stored:
    clean = text
    if len(clean) > TEXT_LIMIT:
        clean = f'{clean[:TEXT_LIMIT]}… ({len(text)} characters)'
    if '\0' in clean:
        clean = clean.replace('\0', '\ufffd')
    if not clean.isascii():
        clean = clean.encode('utf-8', 'surrogatepass').decode('utf-8', 'replace')
    return Stored(None, clean, clean != text)
