from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twinsight_store.channel import Channel
from twinsight_store.errors import NothingMatchedError, RecordError
from twinsight_store.message import Message
from twinsight_store.read import read
from twinsight_store.selection import Selection

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store

T0 = 1_763_900_000_000_000_000
T0_US = T0 // 1000


@pytest.fixture
def three(store: Store, make_builder: MakeBuilder) -> Store:
    """Store three good chunks of /scan, a second apart."""
    builder = make_builder(max_age_ns=500_000_000)
    records = [r for i in range(3) for r in builder.add(T0 + i * 10**9, T0, i, b'%d' % i)]
    store.write(records + builder.flush())
    return store


def read_all(store: Store) -> tuple[list[Message], list[str]]:
    """Return all messages, and the texts about records that could not be read."""
    bad: list[str] = []

    def note(error: RecordError) -> None:
        bad.append(str(error))

    return list(read(Selection(), store.settings, on_bad_record=note)), bad


def test_without_a_bad_record_nothing_is_reported(three: Store) -> None:
    assert read_all(three)[1] == []


@pytest.mark.parametrize('kind', ['cut', 'no mcap'])
def test_a_corrupt_chunk_is_reported_and_the_rest_is_read(
    three: Store, make_builder: MakeBuilder, kind: str
) -> None:
    builder = make_builder()
    builder.add(T0 + 10**9 + 5000, T0, 0, b'lost' * 100)
    [good] = builder.flush()
    data = good.data[:-9] if kind == 'cut' else b'?' * 500
    labels = dict(good.labels)
    three.put(good.entry, good.timestamp_us, data, content_type=good.content_type, labels=labels)
    messages, bad = read_all(three)
    assert [message.data for message in messages] == [b'0', b'1', b'2']
    assert len(bad) == 1
    assert bad[0].startswith(
        f'robot_01/scan: the chunk at {good.timestamp_us} µs cannot be read ('
    )


def test_an_unknown_kind_of_record_is_reported_and_the_rest_is_read(three: Store) -> None:
    three.put('robot_01/scan', T0_US + 5, b'{}', content_type='application/json')
    messages, bad = read_all(three)
    assert [message.data for message in messages] == [b'0', b'1', b'2']
    assert bad == [
        f"robot_01/scan: the record at {T0_US + 5} µs is of the unknown kind 'application/json'"
    ]


def test_a_time_that_is_no_number_is_reported_and_the_rest_is_read(three: Store) -> None:
    three.put(
        'robot_01/scan', T0_US + 5, b'x', content_type='application/cdr',
        labels={'receive_ns': 'noon'},
    )
    messages, bad = read_all(three)
    assert [message.data for message in messages] == [b'0', b'1', b'2']
    assert bad == [
        f"robot_01/scan: label receive_ns='noon' of the record at {T0_US + 5} µs is not a number"
    ]


def test_messages_of_a_topic_without_description_are_reported(three: Store) -> None:
    three.put('robot_01/nobody_knows', T0_US, b'x', content_type='application/cdr')
    messages, bad = read_all(three)
    assert len(messages) == 3
    assert bad == [
        'robot_01/nobody_knows: the type of its messages is not known: '
        'no $ros attachment of the entry describes it'
    ]


def test_a_chunk_without_description_describes_itself(
    three: Store, make_builder: MakeBuilder
) -> None:
    builder = make_builder('/other')
    builder.add(T0 + 5, T0, 0, b'own')
    [good] = builder.flush()
    labels = dict(good.labels)
    three.put(
        good.entry, good.timestamp_us, good.data, content_type=good.content_type, labels=labels
    )
    messages, bad = read_all(three)
    [message] = [message for message in messages if message.data == b'own']
    assert message.channel == builder.channel
    assert bad == []


def test_a_chunk_of_a_type_that_is_not_described_is_not_taken_for_the_latest_type(
    three: Store, make_builder: MakeBuilder
) -> None:
    newer = Channel('/scan', 'sensor_msgs/msg/LaserScan', 'ros2msg', b'int8 newer\n')
    builder = make_builder(channel=newer)
    builder.add(T0 + 5000, T0, 0, b'new')
    [good] = builder.flush()
    labels = dict(good.labels)
    three.put(
        good.entry, good.timestamp_us, good.data, content_type=good.content_type, labels=labels
    )
    messages, bad = read_all(three)
    assert {m.channel.schema for m in messages if m.data == b'new'} == {b'int8 newer\n'}
    assert {m.channel.schema for m in messages if m.data != b'new'} == {messages[0].channel.schema}
    assert bad == []


def test_a_single_message_of_a_type_that_is_not_described_is_reported(
    three: Store, make_builder: MakeBuilder
) -> None:
    labels = {'channel': '0123456789ab'}
    three.put('robot_01/scan', T0_US + 5, b'x', content_type='application/cdr', labels=labels)
    messages, bad = read_all(three)
    assert len(messages) == 3
    assert bad == [
        'robot_01/scan: the type of its messages is not known: '
        'no $ros attachment of the entry describes it'
    ]


def test_messages_of_another_recorder_are_read_by_what_there_is(three: Store) -> None:
    """A record without any of our labels has the times that the store itself knows."""
    three.put('robot_01/scan', T0_US + 5, b'foreign', content_type='application/cdr')
    messages, bad = read_all(three)
    [message] = [message for message in messages if message.data == b'foreign']
    assert message.receive_ns == message.publish_ns == T0 + 5000
    assert message.sequence == 0
    assert message.channel.topic == '/scan'
    assert bad == []


def test_where_only_bad_records_match_nothing_matched(store: Store) -> None:
    store.put('robot_01/scan', T0_US, b'{}', content_type='application/json')
    with pytest.raises(NothingMatchedError):
        store.read()
