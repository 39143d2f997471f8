"""What is really stored: every message read back and compared with what was published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mcap.records import Channel, Message
from mcap.stream_reader import StreamReader

from bench.marks import read_mark
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.errors import NothingMatchedError
from twinsight_store.read import read
from twinsight_store.record_query import fetch
from twinsight_store.selection import Selection


@dataclass
class Count:
    """
    What was found of one load.

    unique      messages that were published, each counted once
    duplicates  messages that were found again
    damaged     messages whose bytes are not those that were published
    times       of probed topics: receive and publish times (ns) of the messages
    """

    unique: int = 0
    duplicates: int = 0
    damaged: int = 0
    times: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


def in_store(settings: StoreSettings, sent: Mapping[str, int], probed: Iterable[str]) -> Count:
    """Count what lies in a bucket."""
    def messages() -> Iterator[tuple[str, int, bytes]]:
        try:
            for message in read(Selection(), settings):
                yield message.channel.topic, message.receive_ns, message.data
        except NothingMatchedError:
            return

    return _count(messages(), sent, probed)


def in_file(file: Path, sent: Mapping[str, int]) -> Count:
    """Count what lies in an MCAP file."""
    def messages() -> Iterator[tuple[str, int, bytes]]:
        topics: dict[int, str] = {}
        with file.open('rb') as stream:
            for record in StreamReader(stream, record_size_limit=None).records:
                if isinstance(record, Channel):
                    topics[record.id] = record.topic
                elif isinstance(record, Message):
                    yield topics[record.channel_id], record.log_time, record.data

    return _count(messages(), sent, ())


async def record_times(settings: StoreSettings, entry: str) -> list[int]:
    """Return the timestamps (µs) of an entry's records."""
    async with connect(settings) as connection:
        return [record.timestamp_us for record in await fetch(connection, [entry], head=True)]


def _count(
    messages: Iterable[tuple[str, int, bytes]], sent: Mapping[str, int], probed: Iterable[str]
) -> Count:
    found = Count(times={topic: [] for topic in probed})
    there = {topic: bytearray(number) for topic, number in sent.items()}
    for topic, receive_ns, data in messages:
        seen = there.get(topic)
        mark = read_mark(data)
        if seen is None or mark is None or not mark.intact or mark.sequence >= len(seen):
            found.damaged += 1
            continue
        if topic in found.times:
            found.times[topic].append((receive_ns, mark.publish_ns))
        found.duplicates += seen[mark.sequence]
        seen[mark.sequence] = 1
    found.unique = sum(map(sum, there.values()))
    return found
