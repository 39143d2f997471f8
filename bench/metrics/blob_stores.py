"""The places that blobs are written to and read from, each by the fastest way it offers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timezone
from pathlib import Path
import shutil
from typing import Any, NamedTuple, Protocol
import uuid

import psycopg
from reduct import Bucket, Client
from reduct.batch.batch_v2 import RecordBatch

from twinsight_store.channel import Channel
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.layout import cdr_record, entry_name
from twinsight_store.read import read
from twinsight_store.selection import Selection
from twinsight_store.writer import batches, StoreWriter

TOGETHER = 8
"""So many blobs go into one request to ReductStore, and into one transaction of COPY."""

_ROBOT, _TOPIC = 'bench', '/camera/front/image_raw'
_CHANNEL = Channel(_TOPIC, 'std_msgs/msg/UInt8MultiArray')


class Blob(NamedTuple):
    """One blob and its time (Unix ns)."""

    time_ns: int
    data: bytes


class BlobStore(Protocol):
    """
    A place for blobs.

    title       names place and way, for people
    durability  what is true of a blob once it is acknowledged
    """

    title: str
    durability: str

    def write(self, blobs: Sequence[Blob]) -> None:
        """Write blobs; return when all are acknowledged."""
        ...

    def read(self, from_ns: int, to_ns: int) -> list[bytes]:
        """Return the blobs of the span, in time order."""
        ...

    def clear(self) -> None:
        """Remove all blobs."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


class _Reduct:
    """What both ways to ReductStore share: a loop for requests, a bucket for each round."""

    durability = 'in the page cache'

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._open = AsyncExitStack()
        self._loop.run_until_complete(self._make())

    async def _make(self) -> None:
        # ReductStore removes in the background, and a name is not free at once.
        self._settings = StoreSettings(self._url, bucket=f'bench-{uuid.uuid4().hex[:12]}')
        connection = await self._open.enter_async_context(connect(self._settings))
        self._bucket: Bucket = await connection.bucket(create=True)

    def clear(self) -> None:
        self._loop.run_until_complete(self._clear())

    async def _clear(self) -> None:
        await self._bucket.remove()
        await self._open.aclose()
        await self._make()

    def close(self) -> None:
        self._loop.run_until_complete(self._open.aclose())
        self._loop.close()


class OurStore(_Reduct):
    """ReductStore as TwinSight's users meet it."""

    title = 'ReductStore, twinsight_store'

    def write(self, blobs: Sequence[Blob]) -> None:
        self._loop.run_until_complete(self._write(blobs))

    async def _write(self, blobs: Sequence[Blob]) -> None:
        writer = StoreWriter(self._bucket, self._settings)
        entry = entry_name(_ROBOT, _TOPIC)
        labels = {'robot_id': _ROBOT, 'mission_id': 'blobs', 'sensor_type': 'camera'}
        records = (
            cdr_record(entry, _CHANNEL, blob.time_ns, blob.time_ns, number, blob.data, labels)
            for number, blob in enumerate(blobs)
        )
        for batch in batches(records):
            written = await writer.write(batch)
            if len(written.stored) != len(batch):
                raise RuntimeError(f'{len(batch)} given, stored are {len(written.stored)}')

    def read(self, from_ns: int, to_ns: int) -> list[bytes]:
        selection = Selection(
            robots=(_ROBOT,), topics=(_TOPIC,), from_ns=from_ns, to_ns=to_ns
        )
        return [message.data for message in read(selection, self._settings)]


class BareReduct(_Reduct):
    """ReductStore by its own client."""

    title = 'ReductStore, reduct-py alone'
    _ENTRY = 'camera'

    async def _make(self) -> None:
        client = await self._open.enter_async_context(Client(self._url))
        name = f'bench-{uuid.uuid4().hex[:12]}'
        self._bucket = await client.create_bucket(name)

    def write(self, blobs: Sequence[Blob]) -> None:
        self._loop.run_until_complete(self._write(blobs))

    async def _write(self, blobs: Sequence[Blob]) -> None:
        for some in _pieces(blobs):
            batch = RecordBatch()
            for blob in some:
                batch.add(self._ENTRY, blob.time_ns // 1000, blob.data)
            errors = await self._bucket.write_record_batch(batch)
            if errors:
                raise RuntimeError(f'ReductStore refuses records: {errors}')

    def read(self, from_ns: int, to_ns: int) -> list[bytes]:
        return self._loop.run_until_complete(self._read(from_ns // 1000, to_ns // 1000))

    async def _read(self, start_us: int, stop_us: int) -> list[bytes]:
        return [
            await record.read_all()
            async for record in self._bucket.query(self._ENTRY, start_us, stop_us)
        ]


class Rows:
    """
    Rows of a bytea column: not compressed, for random bytes are not; found by an index.

    With TimescaleDB the table is a hypertable.
    """

    way = ''

    def __init__(
        self, url: str, table: str, name: str, state: str, durability: str, hypertable: bool
    ) -> None:
        self.title = f'{name}, {self.way}, {state}'
        self.durability = durability
        self._table = table
        self._connection = psycopg.connect(url, autocommit=True)
        self._run('CREATE TABLE {} (time timestamptz NOT NULL, robot_id text NOT NULL, '
                  'topic text NOT NULL, data bytea NOT NULL)')
        self._run('ALTER TABLE {} ALTER COLUMN data SET STORAGE EXTERNAL')
        if hypertable:
            self._run("SELECT create_hypertable('{}', 'time', create_default_indexes => false)")
        self._run('CREATE INDEX ON {} (robot_id, topic, time)')

    def _run(self, statement: str) -> None:
        self._connection.execute(statement.format(self._table).encode())

    def set(self, setting: str, value: str) -> None:
        """Change a setting of the connection."""
        self._connection.execute('SELECT set_config(%s, %s, false)', [setting, value])

    def clear(self) -> None:
        self._run('TRUNCATE {}')

    def close(self) -> None:
        self._connection.close()

    def _select(self, from_ns: int, to_ns: int) -> tuple[bytes, dict[str, Any]]:
        question = (
            f'SELECT data FROM {self._table} WHERE robot_id = %(robot)s AND topic = %(topic)s '
            'AND time >= %(start)s AND time < %(stop)s ORDER BY time'
        )
        return question.encode(), {
            'robot': _ROBOT, 'topic': _TOPIC, 'start': _time(from_ns), 'stop': _time(to_ns)
        }


class InsertedRows(Rows):
    """A row a transaction; a cursor of the server reads them. All binary."""

    way = 'INSERT'

    def write(self, blobs: Sequence[Blob]) -> None:
        statement = f'INSERT INTO {self._table} VALUES (%b, %b, %b, %b)'.encode()
        with self._connection.cursor() as cursor:
            for blob in blobs:
                cursor.execute(statement, (_time(blob.time_ns), _ROBOT, _TOPIC, blob.data))

    def read(self, from_ns: int, to_ns: int) -> list[bytes]:
        with self._connection.transaction(), \
                self._connection.cursor('blobs', binary=True) as cursor:
            cursor.itersize = TOGETHER
            cursor.execute(*self._select(from_ns, to_ns))
            return [data for data, in cursor]


class CopiedRows(Rows):
    """Binary COPY in both directions."""

    way = 'COPY'

    def write(self, blobs: Sequence[Blob]) -> None:
        statement = f'COPY {self._table} FROM STDIN (FORMAT binary)'.encode()
        with self._connection.cursor() as cursor:
            for some in _pieces(blobs):
                with cursor.copy(statement) as copy:
                    copy.set_types(['timestamptz', 'text', 'text', 'bytea'])
                    for blob in some:
                        copy.write_row((_time(blob.time_ns), _ROBOT, _TOPIC, blob.data))

    def read(self, from_ns: int, to_ns: int) -> list[bytes]:
        question, parameters = self._select(from_ns, to_ns)
        statement = b'COPY (' + question + b') TO STDOUT (FORMAT binary)'
        with self._connection.cursor() as cursor, cursor.copy(statement, parameters) as copy:
            copy.set_types(['bytea'])
            return [data for data, in copy.rows()]


class Files:
    """A file for each blob in one folder, named by its time."""

    title = 'files in a folder'
    durability = 'in the page cache'

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def write(self, blobs: Sequence[Blob]) -> None:
        for blob in blobs:
            (self._folder / f'{blob.time_ns:020}').write_bytes(blob.data)

    def read(self, from_ns: int, to_ns: int) -> list[bytes]:
        return [
            file.read_bytes() for file in sorted(self._folder.iterdir())
            if from_ns <= int(file.name) < to_ns
        ]

    def clear(self) -> None:
        shutil.rmtree(self._folder)
        self._folder.mkdir()

    def close(self) -> None:
        pass


def _pieces(blobs: Sequence[Blob]) -> Iterator[Sequence[Blob]]:
    return (blobs[start:start + TOGETHER] for start in range(0, len(blobs), TOGETHER))


def _time(time_ns: int) -> datetime:
    # Whole microseconds: a float would not hold them.
    return datetime.fromtimestamp(time_ns // 10**9, timezone.utc).replace(
        microsecond=time_ns % 10**9 // 1000
    )
