"""ROS messages from JSON, as viewers publish them."""

from __future__ import annotations

import array
import base64
import re
from typing import Any

import numpy

from twinsight_store.message_types import message_class

_SEQUENCE = re.compile(r'sequence<(?P<each>[^,]+?)(?:, (?P<most>\d+))?>')
_ARRAY = re.compile(r'(?P<each>.+)\[(?P<count>\d+)\]')
_INTEGER = re.compile(r'(u?)int(8|16|32|64)')


def fill(message: Any, content: Any) -> None:
    """
    Set a message's fields from a JSON object; what the object leaves out stays as it is.

    Arrays of bytes may be base64 text. A time may have ``nsec`` for ``nanosec``. Raises ValueError
    that names the field: rclpy does not look, and what it serializes may then be anything.
    """
    if not isinstance(content, dict):
        raise ValueError(f'{type(message).__name__}: an object is needed')
    fields = message.get_fields_and_field_types()
    for name, value in content.items():
        field = 'nanosec' if name == 'nsec' and 'nanosec' in fields else name
        if field not in fields:
            raise ValueError(f'{type(message).__name__} has no field {name}')
        try:
            setattr(message, field, _value(getattr(message, field), fields[field], value))
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f'{name}: {error}') from error


def _value(current: Any, kind: str, value: Any) -> Any:
    sequence, fixed = _SEQUENCE.fullmatch(kind), _ARRAY.fullmatch(kind)
    if sequence or fixed:
        each = (sequence or fixed)['each']  # type: ignore[index]
        values = _list(value)
        if fixed and len(values) != int(fixed['count']):
            raise ValueError(f'{fixed["count"]} elements are needed, not {len(values)}')
        if sequence and sequence['most'] and len(values) > int(sequence['most']):
            raise ValueError(f'{sequence["most"]} elements at most')
        return _like(current, [_element(each, one) for one in values])
    if '/' in kind:
        fill(current, value)
        return current
    return _primitive(kind, value)


def _element(kind: str, value: Any) -> Any:
    if '/' not in kind:
        return _primitive(kind, value)
    package, _, name = kind.partition('/')
    made = message_class(f'{package}/msg/{name}')()
    fill(made, value)
    return made


def _like(current: Any, values: list[Any]) -> Any:
    if isinstance(current, numpy.ndarray):
        return numpy.asarray(values, current.dtype)
    if isinstance(current, array.array):
        return array.array(current.typecode, values)
    return values


def _list(value: Any) -> list[Any]:
    if isinstance(value, str):
        return list(base64.b64decode(value, validate=True))
    if not isinstance(value, list):
        raise ValueError('a list is needed')
    return value


def _primitive(kind: str, value: Any) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    integer = _INTEGER.fullmatch(kind)
    if kind == 'boolean' and isinstance(value, bool):
        return value
    if kind in ('double', 'float') and is_number:
        return float(value)
    if kind.startswith(('string', 'wstring')) and isinstance(value, str):
        return value
    if kind == 'octet' and is_number and value in range(256):
        return bytes((int(value),))
    if integer and is_number and value == int(value):
        bits = int(integer[2])
        low, high = (0, 2**bits) if integer[1] else (-2 ** (bits - 1), 2 ** (bits - 1))
        if low <= value < high:
            return int(value)
    raise ValueError(f'{value!r} is no {kind}')
