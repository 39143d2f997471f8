from __future__ import annotations

from dataclasses import replace
import random
from typing import TYPE_CHECKING

import pytest

from twinsight_store import labels as label
from twinsight_store import layout
from twinsight_store.channel import Channel
from twinsight_store.layout import Record
from twinsight_store.message import Message
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.record_source import RecordSource
from twinsight_store.selection import Selection
from twinsight_store.writer import StoreWriter

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_store.connection import Connection

T0 = 1_763_900_000_123_456_789
MILLISECOND = 1_000_000


def recorded(robots: int, topics: int, messages: int, seed: int) -> tuple[list[Record], list]:
    """Return records of many topics whose times interleave, and what they hold, in time order."""
    chance = random.Random(seed)
    rules = ChunkRules(max_age_ns=20 * MILLISECOND, single_record_bytes=1500)
    records, expected = [], []
    for robot in range(robots):
        for topic in range(topics):
            name = f'/sensor_{topic}/data'
            channel = Channel(name, f'pkg/msg/Type{topic}', 'ros2msg', b'int8 x')
            builder = RecordBuilder(
                f'robot_{robot}', channel, label.record_labels(f'robot_{robot}', 'dawn'), rules
            )
            receive_ns = T0 + chance.randrange(1000)
            for sequence in range(messages):
                receive_ns += chance.randrange(1, 3 * MILLISECOND)
                data = chance.randbytes(chance.choice((0, 5, 200, 1499, 1500, 4000)))
                publish_ns = receive_ns - chance.randrange(1, 10**9)
                records += builder.add(receive_ns, publish_ns, sequence, data)
                expected.append(
                    (receive_ns, publish_ns, sequence, data, f'robot_{robot}', channel)
                )
            records += builder.flush()
    records.sort(key=lambda record: record.timestamp_us)
    return records, sorted(expected, key=lambda message: message[0])


def what(message: Message) -> tuple:
    return (
        message.receive_ns, message.publish_ns, message.sequence, message.data,
        message.labels['robot_id'], message.channel,
    )  # fmt: skip


def test_many_interleaved_topics_come_back_message_by_message(store: Store) -> None:
    """The server's body is sorted by entry, the headers by time: no record gets other bytes."""
    records, expected = recorded(robots=3, topics=8, messages=150, seed=1)
    assert {record.content_type for record in records} == {layout.CDR, layout.MCAP}
    written = store.write(records)
    assert len(written.stored) == len(records)
    assert (written.present, written.refused) == ([], [])
    assert [what(message) for message in store.read()] == expected


def test_one_robot_and_some_topics_are_picked_out(store: Store) -> None:
    records, expected = recorded(robots=2, topics=4, messages=60, seed=2)
    store.write(records)
    found = store.read(robots=('robot_1',), topics=('/sensor_[12]/*',))
    assert [what(message) for message in found] == [
        message
        for message in expected
        if message[4] == 'robot_1' and message[5].topic in ('/sensor_1/data', '/sensor_2/data')
    ]


def test_the_same_selection_always_comes_out_alike(
    store: Store, make_builder: MakeBuilder
) -> None:
    for topic in ('/b', '/a', '/c'):
        builder = make_builder(topic)
        for index in range(3):
            builder.add(T0, T0, index, f'{topic}{index}'.encode())
        store.write(builder.flush())
    names = [message.data.decode() for message in store.read()]
    assert names == ['/a0', '/a1', '/a2', '/b0', '/b1', '/b2', '/c0', '/c1', '/c2']


def test_an_empty_message_is_a_message(store: Store, make_builder: MakeBuilder) -> None:
    builder = make_builder()
    builder.add(T0, T0, 0, b'')
    store.write(builder.flush())
    assert [(message.receive_ns, message.data) for message in store.read()] == [(T0, b'')]


def test_a_message_bigger_than_a_request_usually_is_comes_back(
    store: Store, make_builder: MakeBuilder
) -> None:
    data = random.Random(3).randbytes(12_000_000)
    store.write(make_builder().add(T0, T0, 0, data))
    [message] = store.read()
    assert message.data == data


def test_a_request_takes_a_full_batch_of_records_with_long_labels(
    store: Store, make_builder: MakeBuilder
) -> None:
    labels = {f'label_{index}': 'ä' * 60 for index in range(5)}
    builder = make_builder(single_record_bytes=1, labels=labels)
    records = [r for index in range(60) for r in builder.add(T0 + index * 1000, T0, 0, b'x')]
    store.write(records)
    found = store.read()
    assert len(found) == 60
    assert found[59].labels['label_4'] == 'ä' * 60


def test_messages_carry_the_labels_of_their_record_decoded(
    store: Store, make_builder: MakeBuilder
) -> None:
    builder = make_builder(
        robot='r7', mission='Früh Schicht', labels={'site': 'Halle "3", links', 'note': ' 100% '}
    )
    builder.add(T0, T0, 0, b'x')
    store.write(builder.flush())
    [message] = store.read()
    assert message.labels == {
        'robot_id': 'r7', 'mission_id': 'Früh Schicht', 'sensor_type': 'lidar',
        'site': 'Halle "3", links', 'note': ' 100% ',
    }  # fmt: skip


@pytest.mark.parametrize('size', [1, 100_000])
def test_after_the_type_changed_old_messages_are_read_with_the_old_definition(
    store: Store, laser: Channel, make_builder: MakeBuilder, size: int
) -> None:
    newer = replace(laser, schema=laser.schema + b'float32[] intensities\n')
    for offset, channel in enumerate((laser, newer, laser)):
        builder = make_builder(channel=channel)
        records = builder.add(T0 + offset * 1000, T0, 0, bytes(size))
        store.write(records + builder.flush())
    assert [message.channel for message in store.read()] == [laser, newer, laser]


def test_a_type_that_changes_while_somebody_reads_is_learnt(
    store: Store, laser: Channel, make_builder: MakeBuilder
) -> None:
    newer = replace(laser, schema=laser.schema + b'float32[] intensities\n')
    old, new = (make_builder(channel=c, single_record_bytes=1) for c in (laser, newer))
    store.write([r for i in range(300) for r in old.add(T0 + i * 10**9, T0, 0, b'old')])

    async def work(connection: Connection) -> list[Message]:
        messages: list[Message] = []
        batches = (await RecordSource.open(connection, Selection())).batches()
        while not messages:
            messages += (await anext(batches)).messages
        writer = StoreWriter(await connection.bucket(), store.settings)
        await writer.write(new.add(T0 + 400 * 10**9, T0, 0, b'new'))
        async for batch in batches:
            messages += batch.messages
        return messages

    messages = store.ask(work)
    assert [message.channel for message in messages[:300]] == [laser] * 300
    assert [(m.channel, m.data) for m in messages[300:]] in ([], [(newer, b'new')])
