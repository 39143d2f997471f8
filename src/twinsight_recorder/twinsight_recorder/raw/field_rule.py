"""A condition on a field of a topic, and the moment when it becomes true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
import math
import operator
import re
import struct
from typing import Any

from twinsight_store.errors import ConfigurationError
from twinsight_store.field_path import FieldPath, Leaf, type_name
from twinsight_store.field_steps import hint, MalformedError, text_of, Value

CHANGES = 'changes'
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    '==': operator.eq, '!=': operator.ne,
    '>=': operator.ge, '<=': operator.le, '>': operator.gt, '<': operator.lt,
}
_EQUALITY = ('==', '!=')
_OPERATOR = re.compile(rf'\s*({"|".join(_COMPARE)}|{CHANGES}\b)\s*')
_OPERATORS = f'operators are {", ".join((*_COMPARE, CHANGES))}'
_QUOTED = re.compile(r'"([^"]*)"|\'([^\']*)\'')
_WORD = re.compile(r'[^\s"\'=<>!&|]+')
_CONSTANT = re.compile(r'[A-Z](?:_?[A-Z0-9]+)*')


class Word(str):
    """A value as it stands in a rule without quotes; the field's type decides what it means."""

    __slots__ = ()


@dataclass(frozen=True)
class FieldRule:
    """
    A condition on a field: ``state == ERROR``, ``battery.percentage < 0.2``, ``mode changes``.

    operator  one of == != > >= < <=, or ``changes``
    value     what the field is compared with; a Word until resolved() is asked
    """

    topic: str
    field: FieldPath
    operator: str
    value: Value | None = None

    @classmethod
    def parse(cls, topic: str, text: str) -> FieldRule:
        """Return the rule that a line of configuration holds; raises MalformedError."""
        try:
            path, end = FieldPath.parse_start(text)
        except MalformedError as error:
            raise MalformedError('rule', text, error.reason) from error
        found = _OPERATOR.match(text, end)
        if not found:
            where = f'{text[end:].strip()!r} follows the field' if text[end:].strip() else (
                'no operator follows the field'
            )
            raise MalformedError('rule', text, f'{where}; {_OPERATORS}')
        rest = text[found.end():].strip()
        if found[1] == CHANGES:
            if rest:
                raise MalformedError('rule', text, f'nothing follows {CHANGES}')
            return cls(topic, path, CHANGES)
        quoted = _QUOTED.fullmatch(rest)
        if quoted:
            return cls(topic, path, found[1], quoted[1] if quoted[1] is not None else quoted[2])
        if not _WORD.fullmatch(rest):
            wrong = f'{rest!r} is not one value; a text stands in quotes' if rest else (
                f'no value follows {found[1]}'
            )
            raise MalformedError('rule', text, wrong)
        return cls(topic, path, found[1], Word(rest))

    def __str__(self) -> str:
        if self.value is None:
            return f'{self.field} {self.operator}'
        quoted = isinstance(self.value, str) and not isinstance(self.value, Word)
        value = f'"{self.value}"' if quoted else text_of(self.value)
        return f'{self.field} {self.operator} {value}'

    def resolved(self, cls: type) -> FieldRule:
        """
        Return the rule for messages of a class: its value has the type of the field.

        A word is a number, true, false, a constant of the class that holds the field or, for
        a field of text, the text itself. Raises ConfigurationError where the class has no
        such field or the value does not fit it.
        """
        try:
            leaf = self.field.check(cls)
            if self.operator == CHANGES:
                return self
            if leaf.kind in (str, bool) and self.operator not in _EQUALITY:
                raise ConfigurationError(f'{self.field} is a {leaf.type_name}: use == or !=')
            return replace(self, value=_fitting(self.value, leaf))
        except ConfigurationError as error:
            raise ConfigurationError(f'rule {str(self)!r} on {self.topic}: {error}') from error


class FieldWatch:
    """
    Tells when a rule fires: when its condition becomes true, also at the first message.

    It does not fire again before the condition was false. ``changes`` fires at each value
    that differs from the one before it, so never at the first.
    """

    def __init__(self, rule: FieldRule) -> None:
        """Make one for a resolved rule."""
        if isinstance(rule.value, Word):
            raise ValueError(f'rule {str(rule)!r} is not resolved')
        self.rule = rule
        self._compare = _COMPARE.get(rule.operator)
        self._holds = False
        self._last: Value | None = None

    def see(self, value: Value | None) -> bool:
        """
        Return whether the rule fires at the value of the topic's next message.

        None, an element that is not there, makes no condition true. Where the element is
        looked up by its key, a message without it is passed over: see FieldPath.has_key.
        """
        if value is None:
            if not self.rule.field.has_key:
                self._holds = False
            return False
        if self._compare is None:
            last, self._last = self._last, value
            return last is not None and value != last and not (_is_nan(value) and _is_nan(last))
        before, self._holds = self._holds, self._compare(value, self.rule.value)
        return self._holds and not before


def constants(cls: type) -> dict[str, Value]:
    """Return the constants of a message class; those of type ``byte`` as int."""
    found = {}
    for name, member in vars(type(cls)).items():
        if isinstance(member, property) and _CONSTANT.fullmatch(name):
            value = getattr(cls, name)
            found[name] = value[0] if isinstance(value, bytes) else value
    return found


def _fitting(value: Value | None, leaf: Leaf) -> Value:
    named = constants(leaf.holder)
    if isinstance(value, Word):
        constant = named.get(value)
        if constant is not None and _is_kind(constant, leaf.kind):
            value = constant
        elif leaf.kind is str:
            return str(value)
        else:
            value = _literal(value)
    if value is None or not _is_kind(value, leaf.kind):
        raise ConfigurationError(_not_fitting(value, leaf, named))
    if leaf.type_name == 'float' and isinstance(value, float) and math.isfinite(value):
        # 0.2 arrives as the nearest number of 32 bits; only so is == 0.2 ever true
        return _single_precision(value)
    return value


def _literal(word: Word) -> Value:
    if word.lower() in ('true', 'false'):
        return word.lower() == 'true'
    for read in (lambda text: int(text, 0), float):
        try:
            number = read(word)
        except ValueError:
            continue
        if not math.isnan(number):
            return number
    return str(word)


def _is_kind(value: Value, kind: type) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return _is_kind(value, float) and (isinstance(value, int) or float(value).is_integer())
    return isinstance(value, kind)


def _not_fitting(value: Value | None, leaf: Leaf, named: dict[str, Value]) -> str:
    wanted = {int: 'a whole number', float: 'a number', bool: 'true or false', str: 'a text'}
    text = f'{value!r} is not {wanted[leaf.kind]}, which a field of type {leaf.type_name} takes'
    accepted = [name for name, constant in named.items() if _is_kind(constant, leaf.kind)]
    if not accepted:
        return text
    return f'{text}, nor a constant of {type_name(leaf.holder)}{hint(str(value), accepted)}'


def _single_precision(value: float) -> float:
    try:
        return struct.unpack('f', struct.pack('f', value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and math.isnan(value)
