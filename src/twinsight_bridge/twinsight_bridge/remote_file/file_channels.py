"""The channels of a file: their numbers, in the order of their first messages, and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcap.records import Channel as McapChannel
from mcap.records import Schema as McapSchema

from twinsight_bridge.remote_file.mcap_bytes import packed
from twinsight_replay.mcap_file import schema_of
from twinsight_replay.topic_names import TopicNames
from twinsight_store.channel import Channel
from twinsight_store.errors import ConfigurationError

_MOST = 65_535


class FileChannels:
    """
    Numbers channels from 1, as MCAP has it.

    schemas   their records, in the order of their numbers
    channels  the same
    sources   what they were recorded as
    """

    def __init__(self, robots: Sequence[str]) -> None:
        """Make one; where there are several robots their topics' names tell them apart."""
        self.schemas: list[McapSchema] = []
        self.channels: list[McapChannel] = []
        self.sources: list[Channel] = []
        self._names = TopicNames()
        self._names.tell_apart(robots)
        self._introductions: list[bytes] = []
        self._ids: dict[tuple[Channel, tuple[str, str]], int] = {}
        self._by_topic: dict[tuple[str, Channel], int] = {}
        self._schema_ids: dict[tuple[str, str, bytes], int] = {}
        self.source_of = self._names.source

    def known(self, channel: Channel, labels: Mapping[str, str]) -> int | None:
        """Return the number of a message's channel, None where it has none yet."""
        return self._ids.get((channel, self.source_of(labels)))

    def add(self, channel: Channel, labels: Mapping[str, str]) -> tuple[int, int]:
        """
        Give a message's channel a number.

        Returns it, and how many bytes introduce the channel: none where another source of
        messages has it already. Raises ConfigurationError where there are too many.
        """
        source = self.source_of(labels)
        topic = self._names.published(source, channel.topic)
        channel_id = self._by_topic.get((topic, channel), 0)
        size = 0
        if not channel_id:
            channel_id = self._by_topic[topic, channel] = len(self.channels) + 1
            if channel_id > _MOST:
                raise ConfigurationError(
                    f'--topic: the selection has more than {_MOST} channels, an MCAP file cannot: '
                    'select fewer'
                )
            size = self._introduce(channel_id, topic, channel)
        self._ids[channel, source] = channel_id
        return channel_id, size

    def introduction(self, known: int, until: int | None) -> bytes:
        """Return the records of the channels after the first ``known`` up to the ``until``th."""
        return b''.join(self._introductions[known:until])

    def _introduce(self, channel_id: int, topic: str, channel: Channel) -> int:
        introduced = b''
        schema_id = 0
        schema = schema_of(channel)
        if schema is not None:
            if schema not in self._schema_ids:
                name, encoding, data = schema
                self._schema_ids[schema] = len(self.schemas) + 1
                self.schemas.append(McapSchema(
                    id=len(self.schemas) + 1, name=name, encoding=encoding, data=data
                ))
                introduced = packed(self.schemas[-1])
            schema_id = self._schema_ids[schema]
        self.channels.append(McapChannel(
            id=channel_id, topic=topic, message_encoding=channel.message_encoding,
            schema_id=schema_id, metadata=dict(channel.metadata),
        ))
        self.sources.append(channel)
        introduced += packed(self.channels[-1])
        self._introductions.append(introduced)
        return len(introduced)
