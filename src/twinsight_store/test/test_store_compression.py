"""Compressed messages in a real ReductStore: smaller there, the same for every reader."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import zstandard

from twinsight_store import layout, record_query
from twinsight_store.catalog import Catalog
from twinsight_store.errors import RecordError
from twinsight_store.layout import Record
from twinsight_store.message import Message
from twinsight_store.read import read
from twinsight_store.record_query import fetch, fetch_windows, Window
from twinsight_store.selection import Selection

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_store.connection import Connection

T0 = 1_763_900_000_000_000_000
T0_US = T0 // 1000
MILLISECOND = 1_000_000


def image(seed: int, size: int = 200_000) -> bytes:
    """Return something like a raw image: half of it noise, half of it even."""
    return random.Random(seed).randbytes(size // 2) + bytes(size - size // 2)


def one(make_builder: MakeBuilder, data: bytes, compression: str = 'zstd') -> Record:
    builder = make_builder('/image', compression=compression)
    [record] = builder.add(T0, T0 - 5, 7, data)
    return record


def stored_bytes(store: Store, entry: str) -> int:
    async def work(connection: Connection) -> int:
        [found] = [e for e in await Catalog(connection).entries() if e.name == entry]
        return found.bytes

    return store.ask(work)


def content_types(store: Store) -> list[str]:
    async def work(connection: Connection) -> list[str]:
        return [record.content_type for record in await fetch(connection, ['robot_01/image'])]

    return store.ask(work)


def test_messages_come_back_as_they_were_and_take_less_on_the_server(
    store: Store, make_builder: MakeBuilder
) -> None:
    for topic, compression in (('/plain', ''), ('/image', 'zstd')):
        builder = make_builder(topic, compression=compression)
        store.write(
            record
            for i in range(20)
            for record in builder.add(T0 + i * MILLISECOND, T0 + i, i, image(i))
        )
    found = store.read(topics=('/image',))
    assert [(m.receive_ns, m.publish_ns, m.sequence, m.data) for m in found] == [
        (T0 + i * MILLISECOND, T0 + i, i, image(i)) for i in range(20)
    ]
    assert set(content_types(store)) == {'application/cdr; encoding=zstd'}
    assert 'payload_bytes' not in found[0].labels
    plain, packed = (stored_bytes(store, f'robot_01/{topic}') for topic in ('plain', 'image'))
    assert plain >= 20 * 200_000
    assert packed < 0.55 * plain


def test_compressed_and_plain_messages_and_chunks_of_one_topic_come_in_one_order(
    store: Store, make_builder: MakeBuilder
) -> None:
    packing, plain = (make_builder('/image', compression=name) for name in ('zstd', ''))
    noise = random.Random(9).randbytes(70_000)
    contents = [image(1), b'small', noise, image(2), b'small too', image(3), noise, image(4)]
    records = []
    for number, data in enumerate(contents):
        builder = plain if number == 3 else packing
        records += builder.add(T0 + number * MILLISECOND, T0, number, data)
    store.write(records + packing.flush())
    assert [(message.sequence, message.data) for message in store.read()] == [
        *enumerate(contents)
    ]
    assert set(content_types(store)) == {layout.CDR, layout.CDR_ZSTD, layout.MCAP}


@pytest.mark.parametrize('kind', ['cut', 'no frame', 'damaged inside', 'no size in its labels'])
def test_a_damaged_frame_is_reported_and_the_rest_is_read(
    store: Store, make_builder: MakeBuilder, kind: str
) -> None:
    builder = make_builder('/image', compression='zstd')
    first, bad, last = (builder.add(T0 + i * MILLISECOND, T0, i, image(i))[0] for i in range(3))
    labels = dict(bad.labels)
    data = bytearray(bad.data)
    if kind == 'cut':
        del data[-9:]
    elif kind == 'no frame':
        data[:] = b'?' * 500
    elif kind == 'damaged inside':
        data[len(data) // 2] ^= 0x10
    else:
        del labels['payload_bytes']
    store.write([first, last])
    store.put(
        bad.entry, bad.timestamp_us, bytes(data), content_type=bad.content_type, labels=labels
    )
    reported: list[RecordError] = []
    messages: list[Message] = list(
        read(Selection(), store.settings, on_bad_record=reported.append)
    )
    assert [message.data for message in messages] == [image(0), image(2)]
    [error] = reported
    assert str(error).startswith(
        f'robot_01/image: the compressed message at {T0_US + 1000} µs cannot be read ('
    )


def test_a_window_is_bounded_by_what_its_messages_unpack_to(
    store: Store, make_builder: MakeBuilder
) -> None:
    builder = make_builder('/image', compression='zstd')
    records = []
    for step in range(240):
        records += builder.add(T0 + step * 10 * MILLISECOND, T0, step, bytes(1_000_000))
    store.write(records)

    async def work(connection: Connection) -> list[Window]:
        stop_us = T0_US + 2_400_000
        return [
            w async for w in fetch_windows(connection, ['robot_01/image'], T0_US, stop_us)
        ]

    sizes = [sum(r.payload_bytes for r in window.records) for window in store.ask(work)]
    assert sum(sizes) == 240_000_000
    assert max(sizes) <= 4 * record_query.WINDOW_BYTES


@pytest.mark.parametrize('again', ['', 'zstd'])
@pytest.mark.parametrize('before', ['', 'zstd'])
def test_a_message_that_is_there_is_recognised_however_it_was_packed(
    store: Store, make_builder: MakeBuilder, before: str, again: str
) -> None:
    assert store.write([one(make_builder, image(1), before)]).stored
    written = store.write([one(make_builder, image(1), again)])
    assert (len(written.present), written.stored) == (1, [])
    assert store.record_counts() == {'robot_01/image': 1}


def test_a_message_that_another_zstd_packed_is_recognised(
    store: Store, make_builder: MakeBuilder
) -> None:
    record = one(make_builder, image(1))
    other = zstandard.ZstdCompressor(level=15).compress(image(1))
    assert other != record.data
    store.write([record._replace(data=other)])
    assert len(store.write([record]).present) == 1
    assert store.record_counts() == {'robot_01/image': 1}


@pytest.mark.parametrize('again', ['', 'zstd'])
def test_another_message_of_the_same_times_is_stored_beside_it(
    store: Store, make_builder: MakeBuilder, again: str
) -> None:
    store.write([one(make_builder, image(1))])
    assert len(store.write([one(make_builder, image(2), again)]).stored) == 1
    assert [message.data for message in store.read()] == [image(1), image(2)]


def test_a_message_whose_stored_frame_is_damaged_is_stored_again(
    store: Store, make_builder: MakeBuilder
) -> None:
    record = one(make_builder, image(1))
    store.write([record._replace(data=record.data[:-9])])
    assert len(store.write([record]).stored) == 1
    assert [message.data for message in store.read()] == [image(1)]
    assert len(store.write([record]).present) == 1
