"""The plan by which fields are read: steps over the bytes, made of a type's description."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
import struct
from typing import Any

from rosidl_parser.definition import (
    AbstractNestedType,
    AbstractString,
    Array,
    BasicType,
    NamespacedType,
)

from twinsight_store.cdr import steps as cdr_steps
from twinsight_store.cdr.steps import Choice, Fixed, Run, SIZES, Step
from twinsight_store.field_path import type_name
from twinsight_store.field_steps import Key
from twinsight_store.message_types import message_class

_COUNT = Fixed('I', 4, 1, True)
_STAMP = Fixed('i', 4, 1, True), Fixed('I', 4, 1, True)
_LARGEST_ARRAY = 256
"""An array of messages or texts with more elements than that is not written out in a plan."""


class NoPlanError(Exception):
    """No plan can be made: the messages have to be built."""


class Every(Enum):
    """The step into all elements of a list."""

    ELEMENT = '[]'


PathStep = str | int | Key | Every


@dataclass
class Wanted:
    """What is wanted below a place: numbers of paths that end there, and steps that go on."""

    paths: list[int] = field(default_factory=list)
    below: dict[PathStep, Wanted] = field(default_factory=dict)

    @classmethod
    def of(cls, paths: Sequence[Sequence[PathStep]]) -> Wanted:
        """Return what the steps of paths want; they are numbered in their order."""
        root = cls()
        for number, path in enumerate(paths):
            place = root
            for step in path:
                place = place.below.setdefault(step, cls())
            place.paths.append(number)
        return root


NOTHING = Wanted()


@dataclass(frozen=True)
class _Piece:
    """
    A part of a message: of fixed size, or else what ends a run, as a text after its length.

    leaves  how many wanted values are in it
    step    makes the step over it of the run that ends with its tail; raises NoPlanError
    tail    its length or count, or a stamp
    """

    leaves: int
    fixed: Fixed | None = None
    step: Callable[[Run], Step] = cdr_steps.fixed
    tail: Sequence[Fixed] = (_COUNT,)


def _no_plan(run: Run) -> Step:
    raise NoPlanError


class Plan:
    """
    Gathers the parts of a message, and makes steps of them.

    leaves  of each value that the steps find: the numbers of its paths
    """

    def __init__(self, order: str) -> None:
        """Make one; order is < or >, as in struct."""
        self.leaves: list[list[int]] = []
        self._order = order
        self._pieces: list[_Piece] = []

    def message(self, cls: type, wanted: Wanted) -> None:
        """Add the fields of a message; raises NoPlanError."""
        kinds = list(fields_of(cls))
        for name, kind in kinds:
            self.place(kind, wanted.below.get(name, NOTHING))
        if not kinds:  # a message without fields has one byte
            self._fixed('uint8', 1, NOTHING)

    def place(self, kind: Any, wanted: Wanted) -> None:
        """Add a field or an element; raises NoPlanError."""
        if isinstance(kind, BasicType):
            self._fixed(kind.typename, 1, wanted)
        elif isinstance(kind, AbstractString):
            leaves = self._leaf(wanted)
            step = cdr_steps.text if leaves else cdr_steps.skip_text
            self._pieces.append(_Piece(leaves, step=step))
        elif isinstance(kind, NamespacedType):
            self.message(class_of(kind), wanted)
        elif isinstance(kind, Array):
            self._array(kind, wanted)
        elif isinstance(kind, AbstractNestedType):
            self._list(kind.value_type, wanted)
        else:  # wide text: each middleware writes it in its own way
            self._pieces.append(_Piece(self._leaf(wanted), step=_no_plan))

    def steps(self, complete: bool = False) -> list[Step]:
        """Return the steps up to the last wanted value, or over everything; raises NoPlanError."""
        pieces = list(self._pieces)
        while pieces and not complete and not pieces[-1].leaves:
            del pieces[-1]
        steps: list[Step] = []
        run: list[Fixed] = []
        for piece in pieces:
            if piece.fixed:
                run.append(piece.fixed)
            else:
                steps.append(piece.step(Run(self._order, [*run, *piece.tail])))
                run = []
        if run:
            steps.append(cdr_steps.fixed(Run(self._order, run)))
        return steps

    def _leaf(self, wanted: Wanted) -> int:
        if wanted.paths:
            self.leaves.append(wanted.paths)
        return len(wanted.paths[:1])

    def _fixed(self, name: str, many: int, wanted: Wanted) -> None:
        letter, size = _size(name)
        leaves = self._leaf(wanted)
        self._pieces.append(_Piece(leaves, Fixed(letter, size, many, bool(leaves))))

    def _array(self, kind: Array, wanted: Wanted) -> None:
        chosen: dict[int, Wanted] = {}
        for step, below in wanted.below.items():
            index = step % kind.size if isinstance(step, int) else -1
            if index in (-1, *chosen):  # by its key; or written as [1] and as [-1] too
                raise NoPlanError
            chosen[index] = below
        if isinstance(kind.value_type, BasicType):
            name, before = kind.value_type.typename, 0
            for index in sorted(chosen):
                self._fixed(name, index - before, NOTHING)
                self._fixed(name, 1, chosen[index])
                before = index + 1
            self._fixed(name, kind.size - before, NOTHING)
            return
        if kind.size > _LARGEST_ARRAY:
            one = self._all(kind.value_type)
            self._pieces.append(_Piece(len(one.leaves) + len(chosen), step=_no_plan))
            return
        for index in range(kind.size):
            self.place(kind.value_type, chosen.get(index, NOTHING))

    def _list(self, kind: Any, wanted: Wanted) -> None:
        before = len(self.leaves)
        if isinstance(kind, BasicType):
            letter, _ = _size(kind.typename)
            picked = [step for step in wanted.below if isinstance(step, int)]
            self.leaves += [wanted.below[step].paths for step in picked]
            one = struct.Struct(self._order + letter)
            step = partial(cdr_steps.values, one=one, picked=picked)
        elif Every.ELEMENT in wanted.below:
            row = Plan(self._order)
            row.place(kind, wanted.below[Every.ELEMENT])
            self.leaves += row.leaves
            step = partial(cdr_steps.every, row=row.steps(complete=True))
        else:
            over = self._all(kind)
            self.leaves += over.leaves
            step = partial(over._elements, choices=self._choices(kind, wanted))
        self._pieces.append(_Piece(len(self.leaves) - before, step=step))

    def _all(self, kind: Any) -> Plan:
        plan = type(self)(self._order)
        plan.place(kind, NOTHING)
        return plan

    def _elements(self, run: Run, choices: Sequence[Choice]) -> Step:
        over = self.steps(complete=True)
        if all(piece.fixed for piece in self._pieces) and not choices:
            return cdr_steps.skip_elements(run, *over)
        return cdr_steps.elements(run, over, choices)

    def _choices(self, kind: Any, wanted: Wanted) -> list[Choice]:
        groups: dict[int | tuple[str, ...], list[int | Key]] = {}
        for step in wanted.below:
            if isinstance(step, (int, Key)):
                groups.setdefault(step.names if isinstance(step, Key) else step, []).append(step)
        choices = []
        for name, chosen in groups.items():
            key = Plan(self._order)
            if not isinstance(name, int):
                key.place(kind, Wanted.of([name]))
            within = []
            for step in chosen:
                plan = Plan(self._order)
                plan.place(kind, wanted.below[step])
                self.leaves += plan.leaves
                text = step.text if isinstance(step, Key) else None
                within.append((text, plan.steps(), len(plan.leaves)))
            choices.append(Choice(name, key.steps(), within))
        return choices


class StampPlan(Plan):
    """Makes steps that find every stamp: builtin_interfaces/Time, at any depth."""

    def message(self, cls: type, wanted: Wanted) -> None:
        """Add the fields of a message, or a stamp; raises NoPlanError."""
        if type_name(cls) != 'builtin_interfaces/msg/Time':
            super().message(cls, wanted)
            return
        self.leaves.append([])
        self._pieces.append(_Piece(1, step=cdr_steps.stamp, tail=_STAMP))


def _size(name: str) -> tuple[str, int]:
    if name not in SIZES:
        raise NoPlanError
    return SIZES[name]


def fields_of(cls: Any) -> Iterator[tuple[str, Any]]:
    """Return name and type of each field of a message."""
    return zip(cls.get_fields_and_field_types(), cls.SLOT_TYPES, strict=True)


def class_of(kind: NamespacedType) -> type:
    """Return the class of a field's type; raises UnknownTypeError."""
    return message_class('/'.join((*kind.namespaces, kind.name)))
