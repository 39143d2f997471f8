from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twinsight_store import layout
from twinsight_store.layout import Record

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store

T0 = 1_763_900_000_123_456_000


def contents(store: Store) -> list[tuple[int, bytes]]:
    return [(message.receive_ns, message.data) for message in store.read()]


def single(make_builder: MakeBuilder, receive_ns: int, data: bytes) -> list[Record]:
    """Return the record of one big message, as a writer of its own makes it."""
    return make_builder(single_record_bytes=1).add(receive_ns, receive_ns, 0, data)


def test_messages_of_one_microsecond_all_stay_with_their_nanoseconds(
    store: Store, make_builder: MakeBuilder
) -> None:
    builder = make_builder(single_record_bytes=1)
    records = [r for i in range(5) for r in builder.add(T0 + 10 * i, T0, i, b'%d' % i)]
    assert len(store.write(records).stored) == 5
    assert contents(store) == [(T0 + 10 * i, b'%d' % i) for i in range(5)]


def test_messages_of_one_nanosecond_all_stay_in_their_order(
    store: Store, make_builder: MakeBuilder
) -> None:
    builder = make_builder(single_record_bytes=1)
    records = [r for i in range(5) for r in builder.add(T0, T0, i, b'%d' % i)]
    assert len(store.write(records).stored) == 5
    assert contents(store) == [(T0, b'%d' % i) for i in range(5)]


@pytest.mark.parametrize('offset_ns', [0, 1, 999])
def test_two_writers_that_meet_at_one_microsecond_lose_nothing(
    store: Store, make_builder: MakeBuilder, offset_ns: int
) -> None:
    assert store.write(single(make_builder, T0, b'first')).stored
    assert store.write(single(make_builder, T0 + offset_ns, b'second')).stored
    assert contents(store) == [(T0, b'first'), (T0 + offset_ns, b'second')]


def test_two_writers_that_meet_in_one_request_lose_nothing(
    store: Store, make_builder: MakeBuilder
) -> None:
    both = single(make_builder, T0, b'first') + single(make_builder, T0, b'second')
    written = store.write(both)
    assert len(written.stored) == 2
    assert sorted(contents(store)) == [(T0, b'first'), (T0, b'second')]


def test_chunks_of_two_runs_that_start_at_one_microsecond_both_stay(
    store: Store, make_builder: MakeBuilder
) -> None:
    for run in (b'first', b'second'):
        builder = make_builder()
        for index in range(3):
            builder.add(T0 + index, T0, index, run)
        assert store.write(builder.flush()).stored
    expected = [(T0 + index, run) for index in range(3) for run in (b'first', b'second')]
    assert contents(store) == expected


def test_messages_moved_over_the_edge_of_what_is_fetched_at_once_still_come_in_order(
    store: Store, make_builder: MakeBuilder
) -> None:
    edge_ns = T0 + 500_000_000
    store.write(single(make_builder, T0, b'start'))
    moved = make_builder(single_record_bytes=1)
    store.write([r for i in range(3) for r in moved.add(edge_ns - 1000, T0, i, b'%d' % i)])
    beside = make_builder('/other', single_record_bytes=1)
    store.write([r for i in range(2) for r in beside.add(edge_ns - 500 + i, T0, i, b'other')])
    assert contents(store) == [
        (T0, b'start'),
        (edge_ns - 1000, b'0'), (edge_ns - 1000, b'1'), (edge_ns - 1000, b'2'),
        (edge_ns - 500, b'other'), (edge_ns - 499, b'other'),
    ]  # fmt: skip


def test_writing_the_same_again_changes_nothing(store: Store, make_builder: MakeBuilder) -> None:
    builder = make_builder(single_record_bytes=1000)
    records = [
        record
        for index in range(200)
        for record in builder.add(T0 + index // 4, T0, index, b'%d' % index * 1000)
    ] + builder.flush()
    small = make_builder('/small')
    for index in range(50):
        small.add(T0 + index, T0, index, b'x')
    records += small.flush()
    store.write(records)
    before, counts = contents(store), store.record_counts()
    written = store.write(records)
    assert len(written.present) == len(records)
    assert (written.stored, written.refused) == ([], [])
    assert store.record_counts() == counts == {'robot_01/scan': 200, 'robot_01/small': 1}
    assert contents(store) == before


def test_a_repeat_stores_just_what_was_missing(store: Store, make_builder: MakeBuilder) -> None:
    builder = make_builder(single_record_bytes=1)
    records = [r for i in range(10) for r in builder.add(T0, T0, i, b'%d' % i)]
    store.write(records[::3])
    written = store.write(records)
    assert len(written.present) == 4
    assert len(written.stored) == 6
    assert sorted(contents(store)) == [(T0, b'%d' % i) for i in range(10)]


def test_collisions_across_runs_are_recognised_when_both_runs_are_repeated(
    store: Store, make_builder: MakeBuilder
) -> None:
    runs = [
        [r for b in [make_builder(single_record_bytes=1)] for i in range(4)
         for r in b.add(T0, T0, i, b'%s %d' % (run, i))]
        for run in (b'first', b'second')
    ]  # fmt: skip
    for run in runs:
        assert len(store.write(run).stored) == 4
    for run in runs:
        assert len(store.write(run).present) == 4
    assert store.record_counts() == {'robot_01/scan': 8}


@pytest.mark.parametrize('size', [1, 100_000])
def test_the_same_data_of_another_mission_is_stored_too(
    store: Store, make_builder: MakeBuilder, size: int
) -> None:
    for mission in ('dawn', 'dusk'):
        builder = make_builder(mission=mission)
        records = builder.add(T0, T0, 0, bytes(size)) + builder.flush()
        assert len(store.write(records).stored) == 1
    assert [message.labels['mission_id'] for message in store.read()] == ['dawn', 'dusk']


def test_the_same_bytes_published_at_another_time_are_another_message(
    store: Store, make_builder: MakeBuilder
) -> None:
    for publish_ns in (T0 - 5, T0 - 4):
        store.write(make_builder(single_record_bytes=1).add(T0, publish_ns, 0, b'same'))
    assert [message.publish_ns for message in store.read()] == [T0 - 5, T0 - 4]


def test_a_microsecond_taken_too_often_is_refused_with_its_reason(
    store: Store, make_builder: MakeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, 'MAX_CONFLICT_SHIFT_US', 3)
    for index in range(4):
        assert store.write(single(make_builder, T0, b'%d' % index)).stored
    [refusal] = store.write(single(make_builder, T0, b'one too many')).refused
    assert refusal.record.data == b'one too many'
    assert refusal.reason == f'3 records lie at {T0 // 1000} µs already'
