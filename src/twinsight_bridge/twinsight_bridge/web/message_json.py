"""
A message as what JSON can hold.

Fields have the names of the type's definition. An array of numbers of up to ``most`` elements is
a list; a longer one is ``{"type": "uint8", "length": 921600, "base64": "…"}``, its elements in
little-endian order. NaN and the infinities are the texts "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import base64
from dataclasses import fields
import keyword
import math
from typing import Any

import numpy as np

from twinsight_store.message import Message

USUAL_ARRAY = 10_000

_TYPE = '__msgtype__'  # what the decoder adds to each message


def message_json(message: Message, most: int = USUAL_ARRAY) -> dict[str, Any]:
    """Return a message's fields; raises RecordError where it cannot be decoded."""
    found: dict[str, Any] = _plain(message.decoded(), most)
    return found


def _plain(value: Any, most: int) -> Any:
    if isinstance(value, np.ndarray):
        return _array(value, most)
    if isinstance(value, (list, tuple)):
        return [_plain(each, most) for each in value]
    if isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _not_finite(value)
    return {
        _name(each.name): _plain(getattr(value, each.name), most)
        for each in fields(value) if each.name != _TYPE
    }


def _array(array: np.ndarray[Any, Any], most: int) -> Any:
    if len(array) > most:
        ordered = array.astype(array.dtype.newbyteorder('<'), copy=False)
        return {
            'type': array.dtype.name, 'length': len(array),
            'base64': base64.b64encode(ordered.tobytes()).decode(),
        }
    values = array.tolist()
    if array.dtype.kind == 'f' and not np.isfinite(array).all():
        return [value if math.isfinite(value) else _not_finite(value) for value in values]
    return values


def _not_finite(value: float) -> str:
    return 'NaN' if math.isnan(value) else f'{"-" * (value < 0)}Infinity'


def _name(field: str) -> str:
    """Return a field's own name: the decoder puts _ behind one that is a word of Python."""
    return field[:-1] if field.endswith('_') and keyword.iskeyword(field[:-1]) else field
