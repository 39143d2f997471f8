"""
What a message's fields are filled with: constants, and placeholders for what a command is asked.

``{x}`` alone is the value of parameter x with its type, a number stays a number. In a longer
text it is written as text: ``mission {mission_id}``. ``{yaw | quaternion}`` is what a function
makes of it. A brace itself is doubled: ``{{``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
import math
import re
from string import Formatter
from typing import Any

from twinsight_store.errors import ConfigurationError
from twinsight_store.field_steps import hint, text_of

_INSIDE = re.compile(r'\s*(\w+)\s*(?:\|\s*(\w+)\s*)?')


class Template:
    """
    The fields of a message.

    content  field → constant, text with placeholders, list, or the fields of a message in it
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        """Make one of fields; their names may be paths with dots. Raises ConfigurationError."""
        self.content = _nested(fields)

    def filled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content with values in place; raises ConfigurationError, with the field."""
        found: dict[str, Any] = _filled(self.content, values, '')
        return found


def quaternion(yaw: float) -> dict[str, float]:
    """Return the rotation by yaw (rad) around z."""
    return {'x': 0.0, 'y': 0.0, 'z': math.sin(yaw / 2), 'w': math.cos(yaw / 2)}


def key_values(labels: Mapping[str, str]) -> list[dict[str, str]]:
    """Return labels as a list of diagnostic_msgs/KeyValue."""
    return [{'key': key, 'value': value} for key, value in labels.items()]


_FUNCTIONS: Mapping[str, tuple[Callable[[Any], Any], type | tuple[type, ...], str]] = {
    'quaternion': (quaternion, (int, float), 'a number'),
    'key_values': (key_values, dict, 'labels'),
}


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in _leaves(fields, ''):
        *parents, name = path.split('.')
        place: Any = tree
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigurationError(f'{path}: {parent} has a value already')
        if name in place:
            raise ConfigurationError(f'{path}: it has a value already')
        place[name] = value
    return tree


def _leaves(fields: Mapping[str, Any], at: str) -> Iterator[tuple[str, Any]]:
    for key, value in fields.items():
        path = f'{at}{key}'
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f'{path}.')
        elif isinstance(value, list):
            yield path, [_nested(each) if isinstance(each, Mapping) else each for each in value]
        else:
            yield path, value


def _filled(value: Any, values: Mapping[str, Any], path: str) -> Any:
    if isinstance(value, dict):
        return {
            name: _filled(each, values, f'{path}.{name}' if path else name)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_filled(each, values, f'{path}[{n}]') for n, each in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return _text(value, values)
    except ValueError as error:
        raise ConfigurationError(f'{path}: {value!r}: {error}') from error


def _text(text: str, values: Mapping[str, Any]) -> Any:
    parts: list[Any] = []
    for literal, inside, spec, conversion in Formatter().parse(text):
        if literal:
            parts.append(literal)
        if inside is not None:
            if spec or conversion:
                raise ValueError('accepted are {parameter} and {parameter | function}')
            parts.append(_placed(inside, values))
    if len(parts) == 1:
        return parts[0]
    return ''.join(_as_text(each) for each in parts)


def _placed(inside: str, values: Mapping[str, Any]) -> Any:
    written = _INSIDE.fullmatch(inside)
    if not written:
        raise ValueError('accepted are {parameter} and {parameter | function}')
    name, function = written.groups()
    if name not in values:
        raise ValueError(f'no parameter {name}{hint(name, list(values))}')
    value = values[name]
    if function is None:
        return value
    if function not in _FUNCTIONS:
        raise ValueError(f'no function {function}{hint(function, list(_FUNCTIONS))}')
    work, kind, accepted = _FUNCTIONS[function]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f'{function} takes {accepted}')
    return work(value)


def _as_text(value: Any) -> str:
    if isinstance(value, (str, bool, int, float)):
        return text_of(value)
    raise ValueError('a list or object stands alone, not within a text')
