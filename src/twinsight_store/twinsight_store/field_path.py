"""A path to one value in messages of an installed package; FieldSteps says how it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.serialization import deserialize_message
from rosidl_parser.definition import (
    AbstractGenericString,
    AbstractNestedType,
    Array,
    BoundedSequence,
    NamespacedType,
)

from twinsight_store.errors import ConfigurationError, RecordError
from twinsight_store.field_steps import FieldSteps, hint, Key, Value
from twinsight_store.message_types import message_class

_HEAD_SIZE = 4
"""The encapsulation of CDR: no message is without at least a byte behind it."""


@dataclass(frozen=True)
class Leaf:
    """
    What a path leads to.

    holder     the message class that has the last field, with its constants
    type_name  as IDL names it: boolean, octet, uint8, float, double, string, ...
    """

    holder: type
    type_name: str

    @property
    def kind(self) -> type:
        """Return int, float, bool or str."""
        if self.type_name in ('float', 'double', 'long double'):
            return float
        return {'boolean': bool, 'string': str, 'wstring': str}.get(self.type_name, int)


@dataclass(frozen=True)
class FieldPath(FieldSteps):
    """A path to one value."""

    def check(self, cls: type) -> Leaf:
        """
        Return what the path leads to in messages of a class.

        Raises ConfigurationError where it leads nowhere, or not to a number or text.
        """
        return _Check(self.text).leaf(cls, self.steps)

    def value_of_cdr(self, data: bytes, cls: type) -> Value | None:
        """Return the value in a serialized message of a class; raises as decode() does."""
        return self.value(decode(data, cls))


def decode(data: bytes, cls: type) -> Any:
    """Return the message that CDR bytes hold; raises RecordError where they hold none."""
    if len(data) <= _HEAD_SIZE:  # the middleware would look behind the end, and crash
        raise RecordError(f'not a {type_name(cls)} ({len(data)} bytes): it is cut off')
    try:
        return deserialize_message(data, cls)
    except rclpy_implementation.RMWError as error:
        raise RecordError(f'not a {type_name(cls)} ({len(data)} bytes): {error}') from error


def type_name(cls: type) -> str:
    """Return the name of a message class: ``package/msg/Type``."""
    package, kind = cls.__module__.split('.')[:2]
    return f'{package}/{kind}/{cls.__name__}'


class _Check:
    """Follows a path through message classes; its errors name the part that was followed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._done = ''

    def leaf(self, cls: type, steps: Sequence[str | int | Key]) -> Leaf:
        """Return what the steps lead to."""
        holder = cls
        place: Any = None
        for step in steps:
            if isinstance(step, str):
                holder = cls if place is None else self._class_of(place, step)
                place = self._field(holder, step)
                self._done += f'.{step}' if self._done else step
            else:
                place = self._element(place, step)
                self._done += f'[{step}]' if isinstance(step, int) else '[...]'
        if isinstance(place, AbstractNestedType):
            raise self._error(f'{self._done} is a list: {self._how_to_select(place)}')
        if isinstance(place, NamespacedType):
            names = [self._done + '.' + name for name, _ in _fields(_class(place))]
            raise self._error(
                f'{self._done} is a {type_name(_class(place))}, not one value; '
                f'in it: {", ".join(names)}'
            )
        return Leaf(holder, _scalar_name(place))

    def _field(self, cls: type, name: str) -> Any:
        known = dict(_fields(cls))
        if name not in known:
            raise self._error(f'{type_name(cls)} has no {name}{hint(name, list(known))}')
        return known[name]

    def _class_of(self, place: Any, name: str) -> type:
        if isinstance(place, AbstractNestedType):
            raise self._error(
                f'{self._done} is a list, it has no {name}: {self._how_to_select(place)}'
            )
        if not isinstance(place, NamespacedType):
            raise self._error(f'{self._done} is a {_scalar_name(place)}, it has no {name}')
        return _class(place)

    def _element(self, place: Any, step: int | Key) -> Any:
        if not isinstance(place, AbstractNestedType):
            raise self._error(f'{self._done} is not a list')
        element = place.value_type
        if isinstance(step, Key):
            if not isinstance(element, NamespacedType):
                raise self._error(f'{self._done} is a list: {self._how_to_select(place)}')
            _Check(self._text).leaf(_class(element), step.names)
            return element
        most = None
        if isinstance(place, Array):
            most = place.size
        elif isinstance(place, BoundedSequence):
            most = place.maximum_size
        if most is not None and not -most <= step < most:
            raise self._error(f'{self._done} has no [{step}]: it has {most} elements at most')
        return element

    def _how_to_select(self, place: AbstractNestedType) -> str:
        element = place.value_type
        if not isinstance(element, NamespacedType):
            return 'select an element with [0] or [-1]'
        names = (name for name, kind in _fields(_class(element)) if _is_text(kind))
        return f'select an element with [0], [-1] or [{next(names, "field")}=...]'

    def _error(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f'field {self._text!r}: {reason}')


def _fields(cls: Any) -> Iterator[tuple[str, Any]]:
    return zip(cls.get_fields_and_field_types(), cls.SLOT_TYPES, strict=True)


def _class(kind: NamespacedType) -> type:
    return message_class('/'.join((*kind.namespaces, kind.name)))


def _is_text(kind: Any) -> bool:
    return isinstance(kind, AbstractGenericString)


def _scalar_name(kind: Any) -> str:
    if _is_text(kind):
        return 'wstring' if 'WString' in type(kind).__name__ else 'string'
    return kind.typename
