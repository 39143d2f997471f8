"""
Moving the stamps of serialized messages, without building the messages.

A stamp is a builtin_interfaces/Time at any depth: of a header, of each transform, of each pose.
What lies behind the last one is not looked at, and the bytes are copied once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import struct

from twinsight_store.cdr.fields import ORDERS, taken
from twinsight_store.cdr.plan import NoPlanError, NOTHING, StampPlan
from twinsight_store.cdr.steps import STAMP_SIZE, Step
from twinsight_store.errors import RecordError
from twinsight_store.field_path import type_name

_SECOND = 1_000_000_000
_END_NS = (1 << 31) * _SECOND
"""Seconds have 32 bits, with a sign."""

_LAYOUTS = {head: struct.Struct(order + 'iI') for head, order in ORDERS.items()}


class Stamps:
    """Moves the stamps of the messages of one type."""

    def __init__(self, cls: type, steps: dict[bytes, Sequence[Step]]) -> None:
        """Make one, by the steps to the stamps; see of()."""
        self._cls = cls
        self._steps = steps

    @classmethod
    def of(cls, message_type: type) -> Stamps | None:
        """
        Return one for a message class, None where its messages have no stamps.

        Raises RecordError where the way to the stamps is not known.
        """
        steps: dict[bytes, Sequence[Step]] = {}
        try:
            for head, order in ORDERS.items():
                plan = StampPlan(order)
                plan.message(message_type, NOTHING)
                steps[head] = plan.steps()
        except NoPlanError as error:
            raise RecordError(
                f'the stamps of {type_name(message_type)} cannot be moved: '
                'wide text or a huge array of messages lies before one of them'
            ) from error
        return cls(message_type, steps) if plan.leaves else None

    def shifted(self, data: bytes, shift: Callable[[int], int]) -> bytes:
        """
        Return the message with each stamp moved; shift gives the new one of the old one (ns).

        A stamp of zero means none, or the latest, and stays. So does one that would come to lie
        at zero, before it (which rclcpp refuses) or after 2038: it is none of the clock that is
        shifted, but a mark such as the largest time.
        Raises RecordError where the bytes end too early or are no such message.
        """
        found = taken(self._steps, data, self._cls)
        layout = _LAYOUTS[data[:2]]
        view = memoryview(data)
        parts: list[bytes | memoryview] = []
        done = 0
        for at, seconds, nanoseconds in found:
            if not seconds and not nanoseconds:
                continue
            moved_ns = shift(seconds * _SECOND + nanoseconds)
            if 0 < moved_ns < _END_NS:
                parts += view[done:at], layout.pack(*divmod(moved_ns, _SECOND))
                done = at + STAMP_SIZE
        if not parts:
            return data
        parts.append(view[done:])
        return b''.join(parts)
