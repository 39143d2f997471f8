from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from twinsight_store import chunk
from twinsight_store.errors import ConfigurationError
from twinsight_store.layout import Record
from twinsight_store.record_builder import ChunkRules, RecordBuilder, TimestampAllocator

if TYPE_CHECKING:
    from conftest import MakeBuilder

T0 = 1_763_900_000_000_000_000
SECOND = 1_000_000_000


def add(builder: RecordBuilder, receive_ns: int, data: bytes = b'x') -> list[Record]:
    return builder.add(receive_ns, receive_ns, 0, data)


def times_in(record: Record) -> list[int]:
    found = chunk.unpack(record.data, record.entry, record.timestamp_us)
    return [message.receive_ns for message in found]


def test_small_messages_wait_for_their_chunk(make_builder: MakeBuilder) -> None:
    builder = make_builder()
    assert add(builder, T0, b'abc') == []
    assert add(builder, T0 + 5, b'de') == []
    assert builder.open_bytes == 5
    [record] = builder.flush()
    assert times_in(record) == [T0, T0 + 5]
    assert record.entry == 'robot_01/scan'
    assert record.labels['mission_id'] == 'dawn'
    assert builder.open_bytes == 0
    assert builder.flush() == []


def test_a_message_a_nanosecond_before_the_age_still_joins(make_builder: MakeBuilder) -> None:
    builder = make_builder(max_age_ns=SECOND)
    add(builder, T0)
    assert add(builder, T0 + SECOND - 1) == []


def test_a_message_of_the_age_closes_the_chunk_and_opens_the_next(
    make_builder: MakeBuilder,
) -> None:
    builder = make_builder(max_age_ns=SECOND)
    add(builder, T0)
    [closed] = add(builder, T0 + SECOND)
    assert times_in(closed) == [T0]
    [last] = builder.flush()
    assert times_in(last) == [T0 + SECOND]


def test_a_chunk_is_filled_to_its_size_and_no_further(make_builder: MakeBuilder) -> None:
    builder = make_builder(max_bytes=100)
    add(builder, T0, bytes(60))
    assert add(builder, T0 + 1, bytes(40)) == []
    [closed] = add(builder, T0 + 2, b'x')
    assert times_in(closed) == [T0, T0 + 1]
    assert builder.open_bytes == 1


def test_a_message_below_the_threshold_goes_into_a_chunk(make_builder: MakeBuilder) -> None:
    builder = make_builder(single_record_bytes=1000)
    assert add(builder, T0, bytes(999)) == []


def test_a_message_of_the_threshold_is_a_record_at_once(make_builder: MakeBuilder) -> None:
    builder = make_builder(single_record_bytes=1000)
    [record] = builder.add(T0 + 123, T0 - 5, 7, bytes(1000))
    assert record.content_type == 'application/cdr'
    assert record.data == bytes(1000)
    assert record.timestamp_us == T0 // 1000
    assert record.labels['receive_ns'] == str(T0 + 123)
    assert record.labels['publish_ns'] == str(T0 - 5)
    assert record.labels['sequence'] == '7'


def test_only_messages_that_are_records_of_their_own_are_compressed(
    make_builder: MakeBuilder,
) -> None:
    builder = make_builder(single_record_bytes=1000, compression='zstd')
    [single] = add(builder, T0, bytes(1000))
    assert single.content_type == 'application/cdr; encoding=zstd'
    assert single.payload_bytes == 1000
    add(builder, T0 + 1, bytes(999))
    [record] = builder.flush()
    assert record.content_type == 'application/mcap'


def test_another_compression_is_refused(make_builder: MakeBuilder) -> None:
    with pytest.raises(ConfigurationError, match="compression 'lz4': accepted are '' and 'zstd'"):
        make_builder(compression='lz4')


def test_a_big_message_leaves_the_open_chunk_open(make_builder: MakeBuilder) -> None:
    builder = make_builder(single_record_bytes=1000)
    add(builder, T0)
    [single] = add(builder, T0 + 1, bytes(1000))
    assert single.content_type == 'application/cdr'
    add(builder, T0 + 2)
    [record] = builder.flush()
    assert times_in(record) == [T0, T0 + 2]


def test_a_big_message_after_the_age_closes_the_chunk_before_it(make_builder: MakeBuilder) -> None:
    builder = make_builder(single_record_bytes=1000, max_age_ns=SECOND)
    add(builder, T0)
    closed, single = add(builder, T0 + SECOND, bytes(1000))
    assert times_in(closed) == [T0]
    assert single.content_type == 'application/cdr'


def test_a_clock_that_jumps_back_closes_the_chunk(make_builder: MakeBuilder) -> None:
    builder = make_builder(max_age_ns=SECOND)
    add(builder, T0)
    [closed] = add(builder, T0 - SECOND)
    assert times_in(closed) == [T0]
    [earlier] = builder.flush()
    assert times_in(earlier) == [T0 - SECOND]
    assert earlier.timestamp_us == (T0 - SECOND) // 1000


def test_messages_slightly_out_of_order_share_a_chunk_in_order(make_builder: MakeBuilder) -> None:
    builder = make_builder(max_age_ns=SECOND)
    for offset in (5, 3, 9, -SECOND + 10):
        assert add(builder, T0 + offset) == []
    [record] = builder.flush()
    assert times_in(record) == [T0 - SECOND + 10, T0 + 3, T0 + 5, T0 + 9]


def test_no_chunk_spans_its_age_whatever_order_messages_come_in(make_builder: MakeBuilder) -> None:
    builder = make_builder(max_age_ns=1000)
    offsets = [random.Random(i).randrange(1500) for i in range(500)]
    records = [record for offset in offsets for record in add(builder, T0 + offset)]
    records += builder.flush()
    spans = [times_in(record)[-1] - times_in(record)[0] for record in records]
    assert 800 < max(spans) < 1000
    assert sum(record.messages for record in records) == 500


def test_other_labels_hold_from_the_next_message_on(make_builder: MakeBuilder) -> None:
    builder = make_builder(mission='dawn')
    add(builder, T0)
    [closed] = builder.relabel({'robot_id': 'robot_01', 'mission_id': 'dusk'})
    assert (closed.labels['mission_id'], times_in(closed)) == ('dawn', [T0])
    add(builder, T0 + 1)
    [record] = builder.flush()
    assert (record.labels['mission_id'], times_in(record)) == ('dusk', [T0 + 1])
    assert 'sensor_type' not in record.labels


def test_a_chunk_that_nothing_follows_is_closed_once_it_is_old(make_builder: MakeBuilder) -> None:
    builder = make_builder(max_age_ns=SECOND)
    assert builder.flush_older(T0 + 10 * SECOND) == []
    add(builder, T0)
    assert builder.flush_older(T0 + SECOND - 1) == []
    [record] = builder.flush_older(T0 + SECOND)
    assert times_in(record) == [T0]
    assert builder.flush_older(T0 + 9 * SECOND) == []


def test_records_of_one_microsecond_get_one_each_and_keep_their_nanoseconds(
    make_builder: MakeBuilder,
) -> None:
    builder = make_builder(single_record_bytes=1)
    records = [record for i in range(4) for record in add(builder, T0 + i)]
    assert [record.timestamp_us for record in records] == [T0 // 1000 + i for i in range(4)]
    assert [record.labels['receive_ns'] for record in records] == [str(T0 + i) for i in range(4)]


def test_an_allocator_gives_the_first_free_microsecond() -> None:
    allocator = TimestampAllocator()
    assert [allocator.allocate(t) for t in (5, 5, 7, 5, 6, 4)] == [5, 6, 7, 8, 9, 4]


def test_an_allocator_forgets_the_oldest_first() -> None:
    allocator = TimestampAllocator(memory=2)
    assert [allocator.allocate(t) for t in (1, 2, 3, 2, 1)] == [1, 2, 3, 4, 1]


@pytest.mark.parametrize('max_age_ns', [0, -1, 60 * SECOND + 1])
def test_a_chunks_age_outside_of_what_readers_look_back_is_refused(max_age_ns: int) -> None:
    with pytest.raises(ConfigurationError, match=f'max_age_ns {max_age_ns}: accepted are 1 to 6'):
        ChunkRules(max_age_ns=max_age_ns)


def test_a_chunk_may_be_as_old_as_readers_look_back() -> None:
    assert ChunkRules(max_age_ns=60 * SECOND).max_age_ns == 60 * SECOND


@pytest.mark.parametrize('rules', [{'max_bytes': 0}, {'single_record_bytes': 0}])
def test_sizes_below_one_byte_are_refused(rules: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match='accepted are 1 and more'):
        ChunkRules(**rules)
