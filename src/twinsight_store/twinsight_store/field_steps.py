"""
A path to one place in a ROS message, of whichever library the message is; needs no ROS 2.

``pose.pose.position.x`` names fields; ``ranges[3]`` and ``transforms[-1].header.frame_id``
count in a list; ``status[name=battery].values[key=voltage].value`` takes the first element
whose field has that text. That field may lie deeper (``transforms[header.frame_id=odom]``);
a text with ``]`` in it stands in quotes (``status[name="a]b"].level``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import difflib
import re
from typing import Any, TypeVar

from twinsight_store.errors import ConfigurationError

Value = int | float | bool | str

Self = TypeVar('Self', bound='FieldSteps')

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
class FieldSteps:
    """A path to one place; two are equal when their steps are."""

    text: str = field(compare=False)
    steps: tuple[str | int | Key, ...]

    @classmethod
    def parse(cls: type[Self], text: str) -> Self:
        """Return a path; raises MalformedError, a ConfigurationError, with the position."""
        path, end = cls.parse_start(text)
        if text[end:].strip():
            raise _malformed(text, end, 'the path ends before this')
        return path

    @classmethod
    def parse_start(cls: type[Self], text: str) -> tuple[Self, int]:
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

    def place(self, message: Any) -> Any:
        """
        Return what is there, None where the message has no such element of a list.

        The path fits the message's type.
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
        return place

    def value(self, message: Any) -> Value | None:
        """
        Return the number or text that is there, None where there is no such element of a list.

        ``byte`` gives int.
        """
        place = self.place(message)
        return None if place is None else _plain(place)


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
