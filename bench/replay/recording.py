"""Recordings to replay: a load's messages in a ReductStore, as the recorder would leave them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import heapq
from itertools import count, repeat
from pathlib import Path
import shutil

from bench.loads import Stream
from bench.payloads import pool
from twinsight_store import labels
from twinsight_store.channel import Channel, QOS_KEY
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.layout import DEFAULT_SINGLE_RECORD_BYTES, Record
from twinsight_store.message_definition import definition
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.writer import batches, StoreWriter
from twinsight_tools.messages import ToolError

ROBOT, MISSION = 'bench', 'replay'
START_NS = 1_763_900_000_000_000_000

_VOLATILE = '- {reliability: reliable, durability: volatile, history: keep_last, depth: 10}'
_LATCHED = '- {reliability: reliable, durability: transient_local, history: keep_last, depth: 1}'
_SECOND_NS = 1_000_000_000
_SMALLEST_BYTES = 1000
_SPARE_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Recording:
    """
    What is recorded: streams at their exact rates, each message with a mark.

    The mark's time is the receive time, and the n-th message of a topic has the number n.

    seconds  how long
    divisor  by which messages that are records of their own are smaller than in the streams
    latched  streams with one message each at the very beginning, which late subscribers get
    """

    settings: StoreSettings
    streams: tuple[Stream, ...]
    seconds: float
    divisor: int = 1
    latched: tuple[Stream, ...] = ()

    @property
    def recorded(self) -> tuple[Stream, ...]:
        """Return the streams with the sizes that they have here."""
        return tuple(
            Stream(
                each.topic, each.type_name,
                each.size_bytes // (self.divisor if _is_big(each) else 1), each.rate_hz,
            )
            for each in self.streams
        )

    @property
    def messages(self) -> int:
        """Return how many messages there are, but for latched ones."""
        return sum(_messages(stream, self.seconds) for stream in self.streams)

    @property
    def about_bytes(self) -> int:
        """Return how much they take, roughly."""
        return sum(
            max(stream.size_bytes, _SMALLEST_BYTES) * _messages(stream, self.seconds)
            for stream in self.recorded
        )

    @property
    def end_ns(self) -> int:
        """Return when it ends."""
        return START_NS + round(self.seconds * _SECOND_NS)

    def times_ns(self, topic: str) -> list[int]:
        """Return the receive times of a topic's messages."""
        place = [stream.topic for stream in self.streams].index(topic)
        return list(_times_ns(self.streams, place, self.seconds))


def record(recording: Recording, folder: Path) -> None:
    """
    Write a recording into its store.

    folder  where the store keeps it; ToolError where its disk has not enough room
    """
    free = shutil.disk_usage(folder).free
    if free < recording.about_bytes + _SPARE_BYTES:
        raise ToolError(
            f'{folder}: {free / 1e9:.0f} GB are free, and {recording.about_bytes / 1e9:.0f} GB '
            f'with {_SPARE_BYTES / 1e9:.0f} GB to spare are needed'
        )
    asyncio.run(_write(recording))


async def _write(recording: Recording) -> None:
    async with connect(recording.settings) as connection:
        writer = StoreWriter(await connection.bucket(create=True), recording.settings)
        waiting: list[Record] = []
        size = 0
        for record_ in _records(recording):
            waiting.append(record_)
            size += len(record_.data)
            if size > 16_000_000:
                await _write_all(writer, waiting)
                waiting, size = [], 0
        await _write_all(writer, waiting)


async def _write_all(writer: StoreWriter, records: list[Record]) -> None:
    for batch in batches(records):
        if (await writer.write(batch)).refused:
            raise ToolError('the store refuses what is to be replayed')


def _records(recording: Recording) -> Iterator[Record]:
    for stream in recording.latched:
        [message, *_] = pool(stream)
        yield from _builder(stream, _LATCHED, ChunkRules(single_record_bytes=1)).add(
            START_NS, START_NS, 0, message.fill(0, START_NS)
        )
    streams = recording.recorded
    # What is a record of its own stays one where it is smaller.
    rules = ChunkRules(single_record_bytes=DEFAULT_SINGLE_RECORD_BYTES // recording.divisor)
    builders = [_builder(stream, _VOLATILE, rules) for stream in streams]
    pools = [pool(stream) for stream in streams]
    times_ns = (_times_ns(streams, place, recording.seconds) for place in range(len(streams)))
    in_time = heapq.merge(*(
        zip(each, repeat(place), count()) for place, each in enumerate(times_ns)
    ))
    for receive_ns, place, number in in_time:
        messages = pools[place]
        data = messages[number % len(messages)].fill(number, receive_ns)
        yield from builders[place].add(receive_ns, receive_ns, number + 1, data)
    for builder in builders:
        yield from builder.flush()


def _builder(stream: Stream, qos: str, rules: ChunkRules) -> RecordBuilder:
    encoding, text = definition(stream.type_name)
    channel = Channel(stream.topic, stream.type_name, encoding, text, metadata={QOS_KEY: qos})
    return RecordBuilder(ROBOT, channel, labels.record_labels(ROBOT, MISSION), rules)


def _times_ns(streams: Sequence[Stream], place: int, seconds: float) -> Iterator[int]:
    """Give the receive times of one stream; streams of one rate do not all come together."""
    period_ns = _SECOND_NS / streams[place].rate_hz
    first_ns = START_NS + round(period_ns * place / len(streams))
    for number in range(_messages(streams[place], seconds)):
        yield first_ns + round(number * period_ns)


def _messages(stream: Stream, seconds: float) -> int:
    return round(stream.rate_hz * seconds)


def _is_big(stream: Stream) -> bool:
    return stream.size_bytes >= DEFAULT_SINGLE_RECORD_BYTES
