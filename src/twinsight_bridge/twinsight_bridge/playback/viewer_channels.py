"""The channels that a viewer sees, one for each recorded topic and definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import foxglove

from twinsight_replay.topic_names import TopicNames
from twinsight_store.channel import Channel
from twinsight_store.message import Message

LATCHED_KEY = 'latched'
"""In a channel's metadata, ``true``: its last message holds, also for who subscribes late."""


class ViewerChannels:
    """
    Gives the channel of a message, under the name that TopicNames gives, with what is stored.

    Where a topic's definition changed while it was recorded, each has a channel of its own, so
    that all messages can be read: the second is named ``/topic (2)``.

    on_problem is called once for each topic that cannot be shown; the others go on.
    """

    def __init__(
        self, context: foxglove.Context, names: TopicNames, on_problem: Callable[[str], object]
    ) -> None:
        self._context = context
        self._names = names
        self._on_problem = on_problem
        self._by_source: dict[tuple[tuple[str, str], str], foxglove.Channel | None] = {}
        self._by_name: dict[str, list[tuple[Channel, foxglove.Channel]]] = {}

    @property
    def latched(self) -> list[int]:
        """Return the ids of the channels whose last message holds."""
        return [
            shown.id() for every in self._by_name.values() for stored, shown in every
            if stored.latched
        ]

    def __len__(self) -> int:
        return sum(map(len, self._by_name.values()))

    def announce(self, labels: Mapping[str, str], channel: Channel) -> None:
        """Make the channel of messages with such labels before the first one is due."""
        self._of(labels, channel)

    def of(self, message: Message) -> foxglove.Channel | None:
        """Return the channel of a message, None where it cannot be shown."""
        return self._of(message.labels, message.channel)

    def _of(self, labels: Mapping[str, str], channel: Channel) -> foxglove.Channel | None:
        source = (self._names.source(labels), channel.id)
        if source not in self._by_source:
            name = self._names.published(source[0], channel.topic)
            self._by_source[source] = self._open(name, channel)
        return self._by_source[source]

    def _open(self, name: str, channel: Channel) -> foxglove.Channel | None:
        if not channel.schema and channel.message_encoding != 'json':
            self._on_problem(
                f'topic {name} is not shown: the definition of {channel.type_name} is not stored'
            )
            return None
        others = self._by_name.setdefault(name, [])
        for other, shown in others:
            if _is_read_alike(other, channel):
                return shown
        if others:
            other_name = f'{name} ({len(others) + 1})'
            self._on_problem(f'topic {name}: its definition changed: see {other_name} too')
            name = other_name
        others.append((channel, self._shown(name, channel)))
        return others[-1][1]

    def _shown(self, name: str, channel: Channel) -> foxglove.Channel:
        schema = None
        if channel.schema:
            schema = foxglove.Schema(
                name=channel.type_name, encoding=channel.schema_encoding, data=channel.schema
            )
        metadata = dict(channel.metadata)
        if channel.latched:
            metadata[LATCHED_KEY] = 'true'
        return foxglove.Channel(
            name, message_encoding=channel.message_encoding, schema=schema,
            context=self._context, metadata=metadata,
        )


def _is_read_alike(one: Channel, other: Channel) -> bool:
    return (one.type_name, one.schema, one.message_encoding) == (
        other.type_name, other.schema, other.message_encoding
    )
