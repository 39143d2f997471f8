"""
Reading a few fields of serialized messages, without building the messages.

What lies between the fields is known once for all: of a type and the fields that are wanted, a
plan of steps is made. What has a fixed size is one look at the bytes, however many fields it
holds; a text or a list before a wanted field is passed over by its length; what lies behind the
last wanted field is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
import struct
from typing import Any

from twinsight_store.cdr.plan import Every, NoPlanError, PathStep, Plan, Wanted
from twinsight_store.cdr.steps import BODY, DamagedError, Step
from twinsight_store.errors import RecordError
from twinsight_store.field_path import decode, FieldPath, type_name
from twinsight_store.field_steps import Value

ORDERS = {b'\0\0': '>', b'\0\1': '<'}
"""How the encapsulation of plain CDR begins → the byte order, as in struct."""


class CdrFields:
    """
    Reads fields of the messages of one type.

    leaves  what each path leads to, in their order
    """

    def __init__(self, cls: type, paths: Sequence[FieldPath]) -> None:
        """Make one; raises ConfigurationError where a path does not lead to a number or text."""
        self.leaves = tuple(path.check(cls) for path in paths)
        self._cls = cls
        self._paths = tuple(paths)
        self._steps: dict[bytes, Sequence[Step]] = {}
        self._in_order: itemgetter[Any] | None = None
        try:
            for head, order in ORDERS.items():
                self._steps[head], places = _plan(order, cls, paths)
            if places != list(range(len(paths))):
                self._in_order = itemgetter(*places)
        except NoPlanError:
            self._steps = {}

    @property
    def whole(self) -> bool:
        """Return whether every message is built, because no plan can be made."""
        return not self._steps

    def read(self, data: bytes) -> Sequence[Value | None]:
        """
        Return the values of the paths, in their order; None where there is no such element.

        Raises RecordError where the bytes end too early or are no such message.
        """
        if self.whole:
            message = decode(data, self._cls)
            return [path.value(message) for path in self._paths]
        found = taken(self._steps, data, self._cls)
        return found if self._in_order is None else self._in_order(found)


class CdrRows:
    """
    Reads fields of all elements of lists, as of a TFMessage.

    Of ``status[].name``, ``status[].values[].key``, ``status[].values[].value`` it makes
    ``[[['battery', [['voltage', '21.9'], ...]], ...]]``: a list of rows in the place of a list.
    """

    def __init__(self, cls: type, paths: Sequence[str]) -> None:
        """
        Make one; the paths are different, and in the order of the fields.

        Raises ConfigurationError where a path does not lead to a number or text.
        """
        wanted = Wanted.of([_row_steps(path, cls) for path in paths])
        self._cls = cls
        self._steps: dict[bytes, Sequence[Step]] = {}
        for head, order in ORDERS.items():
            plan = Plan(order)
            plan.message(cls, wanted)
            if plan.leaves != [[number] for number in range(len(paths))]:
                raise ValueError('the paths are not in the order of the fields')
            self._steps[head] = plan.steps()

    def read(self, data: bytes) -> list[Any]:
        """
        Return values, and lists of rows of values.

        Raises RecordError where the bytes end too early or are no such message.
        """
        return taken(self._steps, data, self._cls)


def taken(plans: Mapping[bytes, Sequence[Step]], data: bytes, cls: type) -> list[Any]:
    """
    Return what the steps of the message's byte order find.

    Raises RecordError where the bytes end too early or are no such message.
    """
    steps = plans.get(data[:2])
    if steps is None:
        # Left to the middleware, damaged bytes could crash it: its readers of other encapsulations
        # trust the lengths in them, and no publisher of ROS 2 sends any.
        raise RecordError(
            f'not a {type_name(cls)}: the encapsulation is {data[:2].hex() or "missing"}'
        )
    found: list[Any] = []
    at = BODY
    try:
        for step in steps:
            at = step(data, at, found)
    except (struct.error, DamagedError) as error:
        raise RecordError(f'not a {type_name(cls)} ({len(data)} bytes): it is cut off') from error
    return found


def _row_steps(path: str, cls: type) -> list[PathStep]:
    first = FieldPath.parse(path.replace(Every.ELEMENT.value, '[0]'))
    first.check(cls)
    steps: list[PathStep] = []
    for name in path.split('.'):
        parts = FieldPath.parse(name.removesuffix(Every.ELEMENT.value)).steps
        steps += [*parts, Every.ELEMENT] if name.endswith(Every.ELEMENT.value) else parts
    return steps


def _plan(order: str, cls: type, paths: Sequence[FieldPath]) -> tuple[list[Step], list[int]]:
    """Return the steps, and for each path which of the values that they find is its own."""
    plan = Plan(order)
    plan.message(cls, Wanted.of([path.steps for path in paths]))
    places = {number: at for at, numbers in enumerate(plan.leaves) for number in numbers}
    return plan.steps(), [places[number] for number in range(len(paths))]
