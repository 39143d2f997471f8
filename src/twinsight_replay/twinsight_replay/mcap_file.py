"""Writing one MCAP file: whole under its name, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import os
from pathlib import Path
import re
from types import TracebackType
from typing import BinaryIO

from mcap.writer import CompressionType, Writer

from twinsight_store.channel import Channel
from twinsight_store.errors import ConfigurationError, TwinsightError
from twinsight_store.message import Message

_CHUNK_BYTES = 1 << 20
ROSBAG2 = 'rosbag2'
_NUMBERED_POLICY = re.compile(r'reliability:\s*\d')
_NAMED_POLICY = re.compile(r'reliability:\s*[a-z]')


def schema_of(channel: Channel) -> tuple[str, str, bytes] | None:
    """Return name, encoding and text of a channel's schema; None for a channel without."""
    if not (channel.type_name or channel.schema_encoding):
        return None
    return channel.type_name, channel.schema_encoding, channel.schema


def needs_rosbag2_record(channels: Iterable[Channel]) -> bool:
    """
    Tell whether a file of these channels needs a metadata record named ROSBAG2.

    Without one rosbag2 expects the words of newer releases for QoS policies, and reads the
    numbers of older ones as "unknown".
    """
    offered = [channel.offered_qos for channel in channels]
    return any(map(_NUMBERED_POLICY.search, offered)) and not any(
        map(_NAMED_POLICY.search, offered)
    )


@dataclass
class Written:
    """What was written of one topic."""

    topic: str
    type_name: str
    messages: int = 0
    bytes: int = 0


class McapFile:
    """
    A file with profile ``ros2``, an index and zstd chunks; a context manager.

    Grows beside its place under another name and moves there when the block ends; where the
    block fails nothing is left. Messages are to come in time order.
    """

    def __init__(self, path: Path, force: bool = False) -> None:
        """
        Make one for a path; ``force`` replaces what is there.

        Raises ConfigurationError where the path cannot be used.
        """
        if path.is_dir():
            raise ConfigurationError(f'{path}: is a folder; give the name of a file')
        if not path.absolute().parent.is_dir():
            raise ConfigurationError(f'{path}: there is no folder {path.absolute().parent}')
        if path.exists() and not force:
            raise ConfigurationError(f'{path}: exists already; --force replaces it')
        self.topics: dict[tuple[str, Channel], Written] = {}
        self._path = path
        self._partial = path.with_name(f'.{path.name}.{os.getpid()}.part')
        self._schema_ids: dict[tuple[str, str, bytes], int] = {}
        self._channel_ids: dict[tuple[str, Channel], int] = {}

    def __enter__(self) -> McapFile:
        try:
            self._stream: BinaryIO = self._partial.open('wb')
            self._writer = Writer(
                self._stream, chunk_size=_CHUNK_BYTES, compression=CompressionType.ZSTD
            )
            self._writer.start('ros2', 'twinsight')
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
        except OSError as failure:
            raise self._unwritable(failure) from failure
        finally:
            self._stream.close()
            self.discard()

    def discard(self) -> None:
        """Remove what is not finished; an interrupt can come just before the block begins."""
        self._partial.unlink(missing_ok=True)

    def add(self, message: Message, topic: str) -> None:
        """Write a message under a topic; raise TwinsightError where the disk does not take it."""
        place = (topic, message.channel)
        try:
            channel_id = self._channel_ids.get(place) or self._register(*place)
            self._writer.add_message(
                channel_id, message.receive_ns, message.data, message.publish_ns, message.sequence
            )
        except OSError as error:
            raise self._unwritable(error) from error
        written = self.topics[place]
        written.messages += 1
        written.bytes += len(message.data)

    def _register(self, topic: str, channel: Channel) -> int:
        schema_id = 0
        schema = schema_of(channel)
        if schema is not None:
            if schema not in self._schema_ids:
                self._schema_ids[schema] = self._writer.register_schema(*schema)
            schema_id = self._schema_ids[schema]
        channel_id = self._writer.register_channel(
            topic, channel.message_encoding, schema_id, dict(channel.metadata)
        )
        self._channel_ids[topic, channel] = channel_id
        self.topics[topic, channel] = Written(topic, channel.type_name)
        return channel_id

    def _finish(self) -> None:
        if needs_rosbag2_record(channel for _, channel in self._channel_ids):
            self._writer.add_metadata(ROSBAG2, {})
        self._writer.finish()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._partial.replace(self._path)

    def _unwritable(self, error: OSError) -> TwinsightError:
        return TwinsightError(f'{self._path}: cannot be written: {error.strerror or error}')
