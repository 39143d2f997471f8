"""What the tests of the file over HTTP share: recorded data, a server, and to_mcap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, ExitStack
from dataclasses import replace
import io
from pathlib import Path
import random
import signal
import threading
from typing import Any, Protocol

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
import httpx
from mcap.reader import make_reader
import pytest
import uvicorn

from twinsight_bridge.remote_file.remote_files import opened_files
from twinsight_bridge.remote_file.routes import router
from twinsight_bridge.remote_file.settings import FileSettings
from twinsight_bridge.web.errors import add_error_handlers
from twinsight_bridge.web.known_parameters import refuse_unknown_parameters
from twinsight_bridge.web.stores import opened, StoreAddresses
from twinsight_replay import to_mcap
from twinsight_store import labels
from twinsight_store.channel import Channel, QOS_KEY
from twinsight_store.connection import connect, StoreSettings, URL_VARIABLE
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.postgres import URL_VARIABLE as POSTGRES_URL_VARIABLE
from twinsight_store.layout import Record
from twinsight_store.record_builder import ChunkRules, RecordBuilder, TimestampAllocator
from twinsight_store.writer import batches, StoreWriter

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
DRIVE_SECONDS = 6
QOS = """\
- history: 1
  depth: 5
  reliability: 1
  durability: 2
  deadline: {sec: 0, nsec: 0}
  lifespan: {sec: 0, nsec: 0}
  liveliness: 1
  liveliness_lease_duration: {sec: 0, nsec: 0}
  avoid_ros_namespace_conventions: false
"""
END_S = 30

Recorded = tuple[Channel, int, bytes]
"""Where a message came, when the recorder received it, and its bytes."""


class Write(Protocol):
    """Write messages into the test's bucket; ``spoil`` may change their records before."""

    def __call__(
        self, messages: Iterable[Recorded], robot: str = ..., mission: str = ..., *,
        compression: str = ..., spoil: Callable[[Record], Record] | None = ...,
    ) -> None: ...


class Serve(Protocol):
    """Start a server of the test's bucket; return its client. url: of another ReductStore."""

    def __call__(
        self, postgres_url: str = ..., url: str = ..., **settings: Any
    ) -> httpx.Client: ...


def make_channel(topic: str, text: str = 'uint8[] data', qos: str = '') -> Channel:
    metadata = {QOS_KEY: qos} if qos else {}
    return Channel(topic, 'test_msgs/msg/Blob', 'ros2msg', text.encode(), 'cdr', metadata)


def make_drive(begin_ns: int = T0, seconds: int = DRIVE_SECONDS) -> list[Recorded]:
    """Return a drive: small, big and both kinds of messages, some of them of one time."""
    made = random.Random(begin_ns)
    odom, image, points = make_channel('/odom'), make_channel('/image'), make_channel('/points')
    latched, changed = make_channel('/map', qos=QOS), make_channel('/odom', 'uint8[] other')
    messages = [(latched, begin_ns, bytes(90_000)), (latched, begin_ns + 1, bytes(100))]
    for step in range(seconds * 50):
        at_ns = begin_ns + step * SECOND // 50
        where = odom if step < seconds * 40 else changed
        messages.append((where, at_ns, made.randbytes(made.randrange(20, 400))))
        if step % 5 == 0:
            messages.append((image, at_ns, made.randbytes(made.randrange(50_000, 80_000))))
        if step % 25 == 0:
            messages.append((points, at_ns + 7, made.randbytes(200_000)))
    return messages


def rows_of(data: bytes) -> list[tuple[Any, ...]]:
    """Return all that a file says of each message, in the order of the file."""
    return [
        (
            channel.topic, message.log_time, message.publish_time, message.sequence,
            message.data, (schema.name, schema.encoding, schema.data) if schema else None,
            channel.message_encoding, sorted(channel.metadata.items()),
        )
        for schema, channel, message in make_reader(io.BytesIO(data)).iter_messages(
            log_time_order=False
        )
    ]


@pytest.fixture
def channel() -> Callable[..., Channel]:
    """Return what makes a channel of a topic."""
    return make_channel


@pytest.fixture
def rows() -> Callable[[bytes], list[tuple[Any, ...]]]:
    """Return what reads a file."""
    return rows_of


@pytest.fixture
def write(store_settings: StoreSettings) -> Write:
    """Return what writes messages into the store as a recorder does."""

    def write_messages(
        messages: Iterable[Recorded], robot: str = 'robot_05', mission: str = 'mission_42', *,
        compression: str = '', spoil: Callable[[Record], Record] | None = None,
    ) -> None:
        builders: dict[str, RecordBuilder] = {}
        allocators: dict[str, TimestampAllocator] = {}
        records: list[Record] = []
        for where, receive_ns, data in messages:
            if where.id not in builders:
                builders[where.id] = RecordBuilder(
                    robot, where, labels.record_labels(robot, mission), ChunkRules(),
                    allocators.setdefault(where.topic, TimestampAllocator()),
                    compression=compression,
                )
            number = len(records)
            records += builders[where.id].add(receive_ns, receive_ns - 1000, number, data)
        for builder in builders.values():
            records += builder.flush()
        asyncio.run(store(store_settings, [spoil(each) for each in records] if spoil else records))

    return write_messages


async def store(settings: StoreSettings, records: Sequence[Record]) -> None:
    async with connect(settings) as connection:
        writer = StoreWriter(await connection.bucket(create=True), settings)
        for batch in batches(records):
            assert not (await writer.write(batch)).refused


@pytest.fixture
def drive(write: Write) -> list[Recorded]:
    """Store six seconds of robot_05, mission_42: 8 MB in 370 messages, from T0 on."""
    messages = make_drive()
    write(messages)
    return messages


@pytest.fixture
def more() -> Callable[..., list[Recorded]]:
    """Return what makes another drive."""
    return make_drive


@pytest.fixture
def remove(store_settings: StoreSettings) -> Callable[[str, int, int], None]:
    """Return what removes the records of an entry from one time to another (Unix ns)."""

    async def removed(entry: str, from_ns: int, to_ns: int) -> None:
        async with connect(store_settings) as connection:
            bucket = await connection.bucket()
            assert await bucket.remove_query(entry, start=from_ns // 1000, stop=to_ns // 1000)

    return lambda *where: asyncio.run(removed(*where))


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application in a thread; give its URL."""
    server = uvicorn.Server(uvicorn.Config(app, '127.0.0.1', 0, log_level='warning'))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), 'the server ended'
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f'http://127.0.0.1:{port}'
    finally:
        server.should_exit = True
        thread.join(END_S)
        assert not thread.is_alive(), 'the server does not end'


def make_app(addresses: StoreAddresses, settings: FileSettings) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(addresses) as stores, opened_files(stores, settings) as files:
            app.state.stores, app.state.remote_files = stores, files
            yield

    app = FastAPI(lifespan=lifespan, dependencies=[Depends(refuse_unknown_parameters)])
    app.include_router(router)
    add_error_handlers(app)
    app.add_middleware(
        CORSMiddleware, allow_origins=['*'], allow_headers=['*'],
        expose_headers=['Accept-Ranges'],
    )
    return app


@pytest.fixture
def serve(store_settings: StoreSettings) -> Iterator[Serve]:
    """Return what starts a server; its files' chunks are small, so that there are many."""
    with ExitStack() as stack:

        def start(
            postgres_url: str = '', url: str = store_settings.url, **settings: Any
        ) -> httpx.Client:
            history = PostgresSettings(postgres_url, patience_s=1) if postgres_url else None
            records = replace(store_settings, url=url, patience_s=1)
            app = make_app(
                StoreAddresses(records, history, None),
                FileSettings(**{'chunk_bytes': 300_000, **settings}),
            )
            base_url = stack.enter_context(served(app))
            return stack.enter_context(httpx.Client(base_url=base_url, timeout=30))

        yield start


@pytest.fixture
def exported(
    store_settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Return what gives the messages of the file that to_mcap makes of a selection."""
    before = signal.getsignal(signal.SIGTERM)

    def export(*options: object, postgres_url: str = '') -> list[tuple[Any, ...]]:
        monkeypatch.setenv(URL_VARIABLE, store_settings.url)
        monkeypatch.setenv(POSTGRES_URL_VARIABLE, postgres_url)
        out = tmp_path / 'exported.mcap'
        arguments = ['--bucket', store_settings.bucket, *map(str, options), '--force', str(out)]
        assert to_mcap.main(arguments) in (0, 1)
        return rows_of(out.read_bytes())

    yield export
    signal.signal(signal.SIGTERM, before)
