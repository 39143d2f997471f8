"""
Steps over the bytes of a serialized message (CDR, version 1).

A step is called with the bytes, the position where it begins and a list: it appends the values
that are wanted there, and returns the position behind. It raises struct.error or DamagedError
where the bytes end too early. Positions count from the beginning of the bytes, alignment from
behind the encapsulation.

Every step but the last begins with a run of fixed size and ends with what has its length or
its count at the end of that run, or with a stamp that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import struct
from typing import Any, NamedTuple

from twinsight_store.field_steps import text_of

BODY = 4
"""Where the message begins: behind its encapsulation."""

STAMP_SIZE = 8

Step = Callable[[bytes, int, list[Any]], int]

SIZES = {
    'boolean': ('?', 1), 'octet': ('B', 1), 'char': ('B', 1), 'int8': ('b', 1), 'uint8': ('B', 1),
    'int16': ('h', 2), 'uint16': ('H', 2), 'int32': ('i', 4), 'uint32': ('I', 4),
    'int64': ('q', 8), 'uint64': ('Q', 8), 'float': ('f', 4), 'double': ('d', 8),
}
"""IDL's name of a type → its letter in struct, and its bytes."""


class DamagedError(Exception):
    """The bytes are not those of a message."""


class Fixed(NamedTuple):
    """Values of one type with a fixed size, aligned to it; wanted, or passed over."""

    letter: str
    size: int
    many: int
    wanted: bool


class Run:
    """
    Values of fixed size, one after the other.

    layouts  how they lie in the bytes, by the position modulo 8
    wanted   how many of them are taken
    """

    def __init__(self, order: str, values: Sequence[Fixed]) -> None:
        """Make one; order is < or >, as in struct."""
        self.layouts = [struct.Struct(order + _format(values, at)) for at in range(8)]
        self.wanted = sum(each.many for each in values if each.wanted)


def _format(values: Sequence[Fixed], at: int) -> str:
    text = ''
    for letter, size, many, wanted in values:
        gap = (BODY - at) % size
        text += f'{gap}x' if gap else ''
        text += f'{many}{letter}' if wanted else f'{size * many}x'
        at += gap + size * many
    return text


class Choice(NamedTuple):
    """
    Elements of a list that are looked into: one by its index, or some by their keys.

    step    the index, or names of the field that has the key
    key     steps to that field within an element; empty for an index
    within  key (None for an index), steps to what is wanted in the element, how many values
    """

    step: int | tuple[str, ...]
    key: Sequence[Step]
    within: Sequence[tuple[str | None, Sequence[Step], int]]


def fixed(run: Run) -> Step:
    """Return the step over a run; it may be the last one."""
    layouts = run.layouts
    if not run.wanted:
        sizes = [layout.size for layout in layouts]
        return lambda data, at, found: at + sizes[at & 7]

    def step(data: bytes, at: int, found: list[Any]) -> int:
        layout = layouts[at & 7]
        found += layout.unpack_from(data, at)
        return at + layout.size

    return step


def skip_text(run: Run) -> Step:
    """Return the step over a run that ends with a text's length, and over the text."""
    layouts = run.layouts

    def take(data: bytes, at: int, found: list[Any]) -> int:
        layout = layouts[at & 7]
        values = layout.unpack_from(data, at)
        found += values[:-1]
        return at + layout.size + int(values[-1])

    def skip(data: bytes, at: int, found: list[Any]) -> int:
        layout = layouts[at & 7]
        return at + layout.size + int(layout.unpack_from(data, at)[0])

    return take if run.wanted > 1 else skip


def text(run: Run) -> Step:
    """Return the step over a run that ends with the length of a text that is wanted."""
    layouts = run.layouts

    def step(data: bytes, at: int, found: list[Any]) -> int:
        layout = layouts[at & 7]
        *values, length = layout.unpack_from(data, at)
        start = at + layout.size
        end = start + length
        if end > len(data):
            raise DamagedError('a text is cut off')
        found += values
        # Its end is a NUL; another one within is a character of the text, as C++ sends it.
        found.append(data[start:end].removesuffix(b'\0').decode('utf-8', 'replace'))
        return end

    return step


def stamp(run: Run) -> Step:
    """Return the step over a run that ends with a stamp: (position, seconds, nanoseconds)."""
    layouts = run.layouts

    def step(data: bytes, at: int, found: list[Any]) -> int:
        layout = layouts[at & 7]
        end = at + layout.size
        found.append((end - STAMP_SIZE, *layout.unpack_from(data, at)))
        return end

    return step


def values(run: Run, one: struct.Struct, picked: Sequence[int]) -> Step:
    """Return the step over a run that ends with a count, and over values; picked by index."""
    layouts, size = run.layouts, one.size

    def step(data: bytes, at: int, found: list[Any]) -> int:
        layout = layouts[at & 7]
        *before, count = layout.unpack_from(data, at)
        start = at + layout.size
        if count:
            start += (BODY - start) % size
        end = start + count * size
        if end > len(data):
            raise DamagedError('a list is cut off')
        found += before
        for index in picked:
            if -count <= index < count:
                found += one.unpack_from(data, start + index % count * size)
            else:
                found.append(None)
        return end

    return step


def elements(run: Run, over: Sequence[Step], choices: Sequence[Choice]) -> Step:
    """Return the step over a run that ends with a count, and over elements of any size."""
    layouts = run.layouts

    def step(data: bytes, at: int, found: list[Any]) -> int:
        layout = layouts[at & 7]
        *before, count = layout.unpack_from(data, at)
        found += before
        at += layout.size
        if count > len(data) - at:  # an element has at least one byte
            raise DamagedError('a list is cut off')
        starts = []
        for _ in range(count):
            starts.append(at)
            for part in over:
                at = part(data, at, found)
        if at > len(data):
            raise DamagedError('a list is cut off')
        for choice in choices:
            _choose(choice, data, starts, found)
        return at

    return step


def skip_elements(run: Run, one: Step) -> Step:
    """Return the step over a run that ends with a count, and over elements of one fixed size."""
    layouts = run.layouts

    def step(data: bytes, at: int, found: list[Any]) -> int:
        layout = layouts[at & 7]
        *before, count = layout.unpack_from(data, at)
        found += before
        at += layout.size
        if count:  # all but the first are aligned alike: each begins where one of them ends
            at = one(data, at, found)
            at += (count - 1) * (one(data, at, found) - at)
        if at > len(data):
            raise DamagedError('a list is cut off')
        return at

    return step


def every(run: Run, row: Sequence[Step]) -> Step:
    """Return the step over a run that ends with a count, and over elements: a row of each."""
    layouts = run.layouts

    def step(data: bytes, at: int, found: list[Any]) -> int:
        layout = layouts[at & 7]
        *before, count = layout.unpack_from(data, at)
        found += before
        at += layout.size
        if count > len(data) - at:
            raise DamagedError('a list is cut off')
        rows = []
        for _ in range(count):
            values: list[Any] = []
            for part in row:
                at = part(data, at, values)
            rows.append(values)
        if at > len(data):
            raise DamagedError('a list is cut off')
        found.append(rows)
        return at

    return step


def _choose(choice: Choice, data: bytes, starts: Sequence[int], found: list[Any]) -> None:
    index = choice.step
    known: dict[str | None, int] = {}
    if not isinstance(index, int):
        known = _starts_by_key(choice.key, data, starts)
    elif -len(starts) <= index < len(starts):
        known = {None: starts[index]}
    for key, steps, leaves in choice.within:
        at = known.get(key)
        if at is None:
            found += [None] * leaves
            continue
        for part in steps:
            at = part(data, at, found)


def _starts_by_key(
    steps: Sequence[Step], data: bytes, starts: Sequence[int]
) -> dict[str | None, int]:
    known: dict[str | None, int] = {}
    for start in starts:
        at = start
        key: list[Any] = []
        for part in steps:
            at = part(data, at, key)
        known.setdefault(text_of(key[0]), start)
    return known
