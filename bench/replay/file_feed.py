"""A plain MCAP file as what a player plays: the MCAP library's reader, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from mcap.reader import make_reader
from mcap.records import Channel as McapChannel
from mcap.records import Schema

from twinsight_replay.piece_queue import Piece
from twinsight_store.channel import Channel
from twinsight_store.message import END_OF_TIME_NS, Message

_PIECE_MESSAGES = 1000
_PIECE_BYTES = 8_000_000


class FileFeed:
    """Reads when it is asked; a Feed, and a context manager."""

    def __init__(self, file: Path) -> None:
        """Open a file that has a summary with statistics."""
        self._stream = file.open('rb')
        self._reader = make_reader(self._stream)
        summary = self._reader.get_summary()
        assert summary is not None and summary.statistics is not None
        self.span_ns = summary.statistics.message_start_time, summary.statistics.message_end_time
        self._channels = {
            each.id: _channel(each, summary.schemas.get(each.schema_id))
            for each in summary.channels.values()
        }
        self._messages: Iterator[Message] = iter(())

    def __enter__(self) -> FileFeed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    @property
    def channels(self) -> list[tuple[str, Channel]]:
        """Return robot and channel of each topic; a file knows no robots."""
        return [('', channel) for channel in self._channels.values()]

    def start(self, from_ns: int | None, latched: bool = False) -> None:
        """Read from a time on; what was latched then is not looked for."""
        self._messages = self._read(from_ns)

    def take(self) -> Piece | None:
        """Return the next messages."""
        messages: list[Message] = []
        size = 0
        for message in self._messages:
            messages.append(message)
            size += len(message.data)
            if len(messages) == _PIECE_MESSAGES or size >= _PIECE_BYTES:
                return Piece(messages, message.receive_ns)
        return Piece(messages, END_OF_TIME_NS)

    def _read(self, from_ns: int | None) -> Iterator[Message]:
        labels: dict[str, str] = {}
        for _, channel, message in self._reader.iter_messages(start_time=from_ns):
            yield Message(
                self._channels[channel.id], message.log_time, message.publish_time,
                message.sequence, message.data, labels,
            )


def _channel(channel: McapChannel, schema: Schema | None) -> Channel:
    name, encoding, text = (schema.name, schema.encoding, schema.data) if schema else ('', '', b'')
    return Channel(
        channel.topic, name, encoding, text, channel.message_encoding, channel.metadata
    )
