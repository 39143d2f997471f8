"""What the tests of this package share: channel, builder, bucket, and messages of any type."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
import math
import random
import struct
import time
from typing import Any, Protocol, TypeVar

import numpy as np
import pytest
from rosidl_parser.definition import (
    AbstractNestedType,
    AbstractString,
    Array,
    BasicType,
    BoundedSequence,
)

from twinsight_store import labels as label
from twinsight_store import read as read_module
from twinsight_store.catalog import Catalog
from twinsight_store.cdr.plan import class_of, fields_of
from twinsight_store.cdr.steps import SIZES
from twinsight_store.channel import Channel
from twinsight_store.connection import connect, Connection, StoreSettings
from twinsight_store.layout import Record
from twinsight_store.message import Batch, Message
from twinsight_store.read import read
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.record_source import RecordSource
from twinsight_store.selection import Selection
from twinsight_store.writer import batches, StoreWriter, Written
from twinsight_tools import reductstore
from twinsight_tools.launch import Program
from twinsight_tools.private import PrivateServer

SCHEMA = b'std_msgs/Header header\nfloat32[] ranges\n'

TEXTS = ['', 'a', 'odom', 'base_link', 'Größe', '日本', 'with space', 'seven77', 'eight888']

T = TypeVar('T')


class MakeBuilder(Protocol):
    """Make a builder of a robot's topic; the keywords are those of ChunkRules."""

    def __call__(
        self, topic: str = ..., *, robot: str = ..., mission: str = ..., sensor: str = ...,
        labels: dict[str, str] | None = ..., channel: Channel | None = ...,
        compression: str = ..., **rules: int,
    ) -> RecordBuilder: ...


class Store:
    """One bucket, used as the nodes use it; every call opens a connection of its own."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings

    def write(self, records: Iterable[Record]) -> Written:
        """Write all records with a new writer, as a new run of the recorder does."""

        async def work(connection: Connection) -> Written:
            writer = StoreWriter(await connection.bucket(create=True), self.settings)
            written = [await writer.write(batch) for batch in batches(list(records))]
            return Written(*(sum(parts, []) for parts in zip(*written, strict=True)))

        return self.ask(work)

    def read(self, **selection: Any) -> list[Message]:
        """Return the messages that a selection with these fields gives."""
        return list(read(Selection(**selection), self.settings))

    def record_counts(self) -> dict[str, int]:
        """Return how many records each entry holds."""

        async def work(connection: Connection) -> dict[str, int]:
            return {entry.name: entry.records for entry in await Catalog(connection).entries()}

        return self.ask(work)

    def put(self, entry: str, timestamp_us: int, data: bytes, **record: Any) -> None:
        """Store a record by hand, as a program that is not ours might."""

        async def work(connection: Connection) -> None:
            bucket = await connection.bucket(create=True)
            await bucket.write(entry, data, timestamp_us, **record)

        self.ask(work)

    def ask(self, question: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Return what a coroutine answers that gets an open connection."""

        async def work() -> T:
            async with connect(self.settings) as connection:
                return await question(connection)

        return asyncio.run(work())


@pytest.fixture
def laser() -> Channel:
    """Return the channel of a laser scanner, as the recorder describes it."""
    return Channel(
        '/scan', 'sensor_msgs/msg/LaserScan', 'ros2msg', SCHEMA,
        metadata={'offered_qos_profiles': '- depth: 5\n', 'topic_type_hash': 'RIHS01_ab'},
    )


@pytest.fixture
def make_builder() -> MakeBuilder:
    """Return a function that makes RecordBuilders."""

    def make(
        topic: str = '/scan', *, robot: str = 'robot_01', mission: str = 'dawn',
        sensor: str = 'lidar', labels: dict[str, str] | None = None,
        channel: Channel | None = None, compression: str = '', **rules: int,
    ) -> RecordBuilder:
        return RecordBuilder(
            robot,
            channel or Channel(topic, 'sensor_msgs/msg/LaserScan', 'ros2msg', SCHEMA),
            label.record_labels(robot, mission, sensor, labels),
            ChunkRules(**rules),
            compression=compression,
        )

    return make


@pytest.fixture
def store(store_settings: StoreSettings) -> Store:
    """Return a bucket of the test's own on the shared server."""
    return Store(store_settings)


@pytest.fixture
def store_at() -> Callable[..., Store]:
    """Return a function that makes a Store on any server."""

    def make(url: str, **settings: Any) -> Store:
        return Store(StoreSettings(url, **settings))

    return make


@pytest.fixture(scope='session')
def guarded_server(
    reduct_binary: Program, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrivateServer]:
    """Give a server that wants the token ``right``."""
    data = tmp_path_factory.mktemp('guarded') / 'data'
    with reductstore.running(reduct_binary, data, token='right') as server:
        yield server


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return what grows by the size of each batch of messages that read() fetches."""
    sizes: list[int] = []

    class Watched(RecordSource):
        async def batches(self, from_ns: int | None = None) -> AsyncGenerator[Batch, None]:
            async for batch in super().batches(from_ns):
                if batch.messages:
                    sizes.append(len(batch.messages))
                yield batch

    monkeypatch.setattr(read_module, 'RecordSource', Watched)
    return sizes


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object], str], None]:
    """Return a function that waits until something is so; where it never is, it fails."""

    def wait(condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, f'it did not happen: {what}'
            time.sleep(0.01)

    return wait


@pytest.fixture(name='random_message')
def a_random_message() -> Callable[[type, random.Random], Any]:
    """Return what fills a message of a class with random values."""
    return _random_message


@pytest.fixture
def written() -> Callable[[Any, str], bytes]:
    """Return what serializes a message in a byte order, < or >; the middleware has one only."""
    return lambda message, order: _Writer(order).message(message)


def _random_message(cls: type, rng: random.Random) -> Any:
    message = cls()
    for name, kind in fields_of(cls):
        setattr(message, name, _random_value(kind, rng))
    return message


def _random_value(kind: Any, rng: random.Random) -> Any:
    if isinstance(kind, BasicType):
        return _random_basic(kind.typename, rng)
    if isinstance(kind, AbstractString):
        return rng.choice(TEXTS)
    if isinstance(kind, AbstractNestedType):
        count = kind.size if isinstance(kind, Array) else rng.randrange(4)
        if isinstance(kind, BoundedSequence):
            count = min(count, kind.maximum_size)
        values = [_random_value(kind.value_type, rng) for _ in range(count)]
        if isinstance(kind, Array) and isinstance(kind.value_type, BasicType):
            return np.array(values, {'double': 'f8', 'float': 'f4', 'uint8': 'u1'}[
                kind.value_type.typename])
        return values
    return _random_message(class_of(kind), rng)


def _random_basic(name: str, rng: random.Random) -> Any:
    if name == 'boolean':
        return rng.random() < 0.5
    if name in ('double', 'float'):
        value = rng.choice([0.0, -1.5, math.inf, -math.inf, rng.uniform(-1e6, 1e6)])
        return struct.unpack('f', struct.pack('f', value))[0] if name == 'float' else value
    if name == 'octet':
        return bytes([rng.randrange(256)])
    bits = 8 * SIZES[name][1]
    if SIZES[name][0].islower():
        return rng.randrange(-1 << (bits - 1), 1 << (bits - 1))
    return rng.randrange(1 << bits)


class _Writer:
    """Writes a message; what lies between its values is not zero."""

    def __init__(self, order: str) -> None:
        self._order = order
        self._data = bytearray([0, order == '<', 0, 0])

    def message(self, message: Any) -> bytes:
        for name, kind in fields_of(type(message)):
            self._value(kind, getattr(message, name))
        return bytes(self._data)

    def _basic(self, name: str, value: Any) -> None:
        letter, size = SIZES[name]
        self._data += b'\xaa' * (-(len(self._data) - 4) % size)
        number = value[0] if isinstance(value, bytes) else value
        self._data += struct.pack(self._order + letter, number)

    def _value(self, kind: Any, value: Any) -> None:
        if isinstance(kind, BasicType):
            self._basic(kind.typename, value)
        elif isinstance(kind, AbstractString):
            self._basic('uint32', len(value.encode()) + 1)
            self._data += value.encode() + b'\0'
        elif isinstance(kind, AbstractNestedType):
            if not isinstance(kind, Array):
                self._basic('uint32', len(value))
            for each in value:
                self._value(kind.value_type, each)
        else:
            self.message(value)
