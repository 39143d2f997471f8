"""The last messages of a latched topic, for viewers that come late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twinsight_store.static_transforms import child_frames, TF_TYPE

_MOST = 1000


class _Message(NamedTuple):
    publisher: bytes
    frames: frozenset[str]
    log_ns: int
    data: bytes


class Kept:
    """
    Keeps the last message of each publisher; of static transforms, of each child frame.

    Publishers may keep more, but DDS does not tell how many. At most a thousand are kept.
    """

    def __init__(self, type_name: str) -> None:
        """Make an empty one for a topic of a type."""
        self._has_frames = type_name == TF_TYPE
        self._messages: list[_Message] = []

    def add(self, publisher: bytes, log_ns: int, data: bytes) -> None:
        """Keep a message, in place of those that it replaces."""
        frames = child_frames(data) if self._has_frames else frozenset()
        new = _Message(publisher, frames, log_ns, data)
        others = [each for each in self._messages if not self._replaces(new, each)]
        self._messages = [*others, new][-_MOST:]

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield log time (ns) and bytes of each message, as they came."""
        for each in self._messages:
            yield each.log_ns, each.data

    def _replaces(self, new: _Message, old: _Message) -> bool:
        if self._has_frames:
            return old.frames <= new.frames
        return old.publisher == new.publisher
