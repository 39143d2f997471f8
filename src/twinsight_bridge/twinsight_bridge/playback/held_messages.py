"""The messages that hold at a time: of each topic the latest, of static transforms all."""

from __future__ import annotations

from collections.abc import Hashable

from twinsight_store.message import Message
from twinsight_store.static_transforms import child_frames, TF_TYPE

_MOST = 1000


class HeldMessages:
    """
    Keeps the latest message of each key; of static transforms the latest of each child frame.

    At most one message a key is in memory, and at most a thousand of static transforms.
    """

    def __init__(self) -> None:
        self._held: dict[Hashable, list[tuple[frozenset[str], Message]]] = {}

    def keep(self, key: Hashable, message: Message) -> None:
        """Take a message, which is not older than those before it."""
        if message.channel.type_name != TF_TYPE or not message.channel.latched:
            self._held[key] = [(frozenset(), message)]
            return
        frames = child_frames(message.data)
        others = [each for each in self._held.get(key, ()) if not each[0] <= frames]
        self._held[key] = [*others, (frames, message)][-_MOST:]

    def of(self, key: Hashable) -> list[Message]:
        """Return the messages of a key, the oldest first."""
        return [message for _, message in self._held.get(key, ())]

    def all(self) -> list[Message]:
        """Return the messages of all keys: those that are latched first, then the oldest."""
        every = [message for held in self._held.values() for _, message in held]
        return sorted(every, key=lambda each: (not each.channel.latched, each.receive_ns))

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()
