"""ROS messages from JSON, as viewers publish them."""

from __future__ import annotations

import array
import base64
from typing import Any

import numpy

from twinsight_store.message_types import message_class


def fill(message: Any, content: Any) -> None:
    """
    Set a message's fields from a JSON object; what the object leaves out stays as it is.

    Arrays of bytes may be base64 text. A time may have ``nsec`` for ``nanosec``. Raises ValueError
    that names the field.
    """
    if not isinstance(content, dict):
        raise ValueError(f'{type(message).__name__}: an object is needed')
    fields = message.get_fields_and_field_types()
    for name, value in content.items():
        if name == 'nsec' and 'nanosec' in fields:
            name = 'nanosec'
        if name not in fields:
            raise ValueError(f'{type(message).__name__} has no field {name}')
        try:
            setattr(message, name, _converted(getattr(message, name), fields[name], value))
        except (AssertionError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f'{name}: {error or "not a value of its type"}') from error


def _converted(current: Any, kind: str, value: Any) -> Any:
    if hasattr(current, 'get_fields_and_field_types'):
        fill(current, value)
        return current
    if isinstance(current, (list, array.array, numpy.ndarray)):
        return _sequence(current, kind, value)
    if isinstance(current, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(current, bytes) and isinstance(value, int):
        return bytes((value,))
    return value


def _sequence(current: Any, kind: str, value: Any) -> Any:
    if isinstance(value, str):
        value = list(base64.b64decode(value, validate=True))
    if isinstance(current, numpy.ndarray):
        return numpy.asarray(value, current.dtype)
    if isinstance(current, array.array):
        return array.array(current.typecode, value)
    cls = _element_class(kind)
    if cls is None:
        return value
    made = []
    for each in value:
        element = cls()
        fill(element, each)
        made.append(element)
    return made


def _element_class(kind: str) -> type | None:
    """Return the message class of ``sequence<package/Type>`` or ``package/Type[3]``."""
    inner = kind.removeprefix('sequence<').partition('>')[0].partition('[')[0].partition(',')[0]
    package, _, name = inner.partition('/')
    return message_class(f'{package}/msg/{name}') if name else None
