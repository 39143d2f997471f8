"""Moving the times in messages to the present, for those who refuse what is old."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twinsight_store import labels as label
from twinsight_store.cdr.stamps import Stamps
from twinsight_store.channel import Channel
from twinsight_store.errors import RecordError
from twinsight_store.message import Message
from twinsight_store.message_types import message_class, UnknownTypeError


class Restamp:
    """
    Gives the bytes of messages with all their times moved; what was recorded stays as it was.

    A stamp moves by as much as its recorded time is away from the moment at which that plays,
    so it keeps its distance to all that is played around it.
    """

    def __init__(
        self, wall_of: Callable[[int], int], shifts: Mapping[tuple[str, str], int],
        on_problem: Callable[[str], object],
    ) -> None:
        """
        Make one.

        wall_of     returns when a recorded time plays, Unix ns
        shifts      robot and mission → by how much its times are moved on the timeline (ns)
        on_problem  is called once for each topic whose times cannot be moved
        """
        self._wall_of = wall_of
        self._shifts = shifts
        self._on_problem = on_problem
        self._stamps: dict[Channel, Stamps | None] = {}
        self._reported: set[Channel] = set()

    def __call__(self, message: Message) -> bytes:
        """Return a message's bytes with its times moved, or as they are where they cannot be."""
        try:
            stamps = self._of(message.channel)
            if stamps is None:
                return message.data
            shift_ns = self._shift_of(message)
            return stamps.shifted(message.data, lambda ns: self._wall_of(ns + shift_ns))
        except (RecordError, UnknownTypeError) as error:
            if message.channel not in self._reported:
                self._reported.add(message.channel)
                self._on_problem(f'{message.channel.topic}: its times are not moved: {error}')
            return message.data

    def _of(self, channel: Channel) -> Stamps | None:
        if channel not in self._stamps:
            self._stamps[channel] = None
            self._stamps[channel] = Stamps.of(message_class(channel.type_name))
        return self._stamps[channel]

    def _shift_of(self, message: Message) -> int:
        run = (message.labels.get(label.ROBOT, ''), message.labels.get(label.MISSION, ''))
        return self._shifts.get(run, 0)
