"""
A path to one value in a ROS message.

``pose.pose.position.x`` names fields; ``ranges[3]`` and ``transforms[-1].header.frame_id``
count in a list; ``status[name=battery].values[key=voltage].value`` takes the first element
whose field has that text. That field may lie deeper (``transforms[header.frame_id=odom]``);
a text with ``]`` in it stands in quotes (``status[name="a]b"].level``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
import difflib
import re
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
from twinsight_store.message_types import message_class

Value = int | float | bool | str

_HEAD_SIZE = 4
"""The encapsulation of CDR: no message is without at least a byte behind it."""

_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')
_INDEX = re.compile(r'\[\s*(-?\d+)\s*\]')
_KEY = re.compile(
    rf'\[\s*({_NAME.pattern}(?:\.{_NAME.pattern})*)\s*='
    r"""\s*(?:"([^"]*)"|'([^']*)'|([^\]"']*[^\]"'\s])?)\s*\]"""
)


class MalformedError(ConfigurationError):
    """A path or a rule is not written as it must be; ``reason`` says it without the text."""

    def __init__(self, what: str, text: str, reason: str) -> None:
        super().__init__(f'{what} {text!r}: {reason}')
        self.reason = reason


@dataclass(frozen=True)
class Key:
    """Selects the first element of a list whose field has the text."""

    names: tuple[str, ...]
    text: str

    def find(self, elements: Sequence[Any]) -> Any:
        """Return the element, None where there is none."""
        for element in elements:
            place = element
            for name in self.names:
                place = getattr(place, name)
            if text_of(_plain(place)) == self.text:
                return element
        return None


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
class FieldPath:
    """A path to one value; two are equal when their steps are."""

    text: str = field(compare=False)
    steps: tuple[str | int | Key, ...]

    @classmethod
    def parse(cls, text: str) -> FieldPath:
        """Return a path; raises MalformedError, a ConfigurationError, with the position."""
        path, end = cls.parse_start(text)
        if text[end:].strip():
            raise _malformed(text, end, 'the path ends before this')
        return path

    @classmethod
    def parse_start(cls, text: str) -> tuple[FieldPath, int]:
        """Return the path that a text begins with, and where it ends; raises as parse does."""
        start = at = len(text) - len(text.lstrip())
        steps: list[str | int | Key] = []
        while not steps or text[at : at + 1] == '.':
            at += bool(steps)  # the dot
            name = _NAME.match(text, at)
            if not name:
                raise _malformed(text, at, 'the name of a field is expected')
            steps.append(name.group())
            at = name.end()
            while text[at : at + 1] == '[':
                step, at = _subscript(text, at)
                steps.append(step)
        return cls(text[start:at], tuple(steps)), at

    def __str__(self) -> str:
        return self.text

    @property
    def has_key(self) -> bool:
        """
        Return whether an element is looked up by its key.

        Lists with keys (diagnostics, transforms) come in parts, often from several publishers:
        that a message lacks the element says nothing of the element.
        """
        return any(isinstance(step, Key) for step in self.steps)

    def check(self, cls: type) -> Leaf:
        """
        Return what the path leads to in messages of a class.

        Raises ConfigurationError where it leads nowhere, or not to a number or text.
        """
        return _Check(self.text).leaf(cls, self.steps)

    def value(self, message: Any) -> Value | None:
        """
        Return the value, None where the message has no such element of a list.

        ``byte`` gives int. The path fits the message's class: see check().
        """
        place = message
        for step in self.steps:
            if isinstance(step, str):
                place = getattr(place, step)
            elif isinstance(step, Key):
                place = step.find(place)
                if place is None:
                    return None
            else:
                try:
                    place = place[step]
                except IndexError:
                    return None
        return _plain(place)

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


def text_of(value: Value) -> str:
    """Return a value as people write it: ``true``, ``3``, ``0.5``, text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def hint(name: str, known: Sequence[str]) -> str:
    """Return what is accepted in place of a name that is not known."""
    near = difflib.get_close_matches(name, known, 1)
    accepted = f'; accepted here: {", ".join(known) or "nothing"}'
    return accepted + (f'; did you mean {near[0]}?' if near else '')


def _malformed(text: str, at: int, reason: str) -> MalformedError:
    found = f'{text[at]!r}' if at < len(text) else 'its end'
    return MalformedError('field', text, f'position {at + 1} ({found}): {reason}')


def _subscript(text: str, at: int) -> tuple[int | Key, int]:
    index = _INDEX.match(text, at)
    if index:
        return int(index[1]), index.end()
    key = _KEY.match(text, at)
    if key:
        wanted = next((group for group in key.groups()[1:] if group is not None), '')
        return Key(tuple(key[1].split('.')), wanted), key.end()
    raise _malformed(text, at, 'expected is [0], [-1] or [name=text], complete with "]"')


def _plain(value: Any) -> Value:
    if type(value) in (bool, int, float, str):
        return value
    if isinstance(value, bytes):
        return value[0]  # a ``byte`` field
    return value.item()  # of an array of numpy


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
