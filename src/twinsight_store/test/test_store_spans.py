from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from twinsight_store.errors import NothingMatchedError
from twinsight_store.record_source import RecordSource
from twinsight_store.selection import Selection

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_store.connection import Connection

T0 = 1_763_900_000_123_456_789
SECOND = 1_000_000_000


@pytest.fixture
def minute(store: Store, make_builder: MakeBuilder) -> list[int]:
    """Store one chunk that spans almost a minute, and return the times of its messages."""
    times = [T0 + offset * 100_000_000 for offset in range(600)]
    builder = make_builder(max_age_ns=60 * SECOND)
    for receive_ns in times:
        assert builder.add(receive_ns, receive_ns, 0, b'x') == []
    [record] = builder.flush()
    store.write([record])
    return times


def times_of(store: Store, **selection: int) -> list[int]:
    return [message.receive_ns for message in store.read(**selection)]


@pytest.mark.parametrize('index', [0, 1, 299, 598, 599])
def test_every_message_of_a_chunk_is_found_by_its_own_nanosecond(
    store: Store, minute: list[int], index: int
) -> None:
    at = minute[index]
    assert times_of(store, from_ns=at, to_ns=at + 1) == [at]


def test_the_start_is_included_and_the_end_is_not(store: Store, minute: list[int]) -> None:
    assert times_of(store, from_ns=minute[7], to_ns=minute[9]) == minute[7:9]
    assert times_of(store, from_ns=minute[7] + 1, to_ns=minute[9] + 1) == minute[8:10]


def test_an_open_end_takes_the_rest(store: Store, minute: list[int]) -> None:
    assert times_of(store, from_ns=minute[590]) == minute[590:]
    assert times_of(store, to_ns=minute[10]) == minute[:10]


@pytest.mark.parametrize(
    'span',
    [
        {'from_ns': T0 + 599 * 100_000_000 + 1},
        {'to_ns': T0},
        {'from_ns': T0 + 1, 'to_ns': T0 + 100_000_000},
        {'from_ns': 0, 'to_ns': 1000},
    ],
)
def test_a_span_between_messages_matches_nothing(
    store: Store, minute: list[int], span: dict[str, int]
) -> None:
    with pytest.raises(NothingMatchedError):
        store.read(**span)


def test_bounds_of_a_single_record_are_exact_to_the_nanosecond(
    store: Store, make_builder: MakeBuilder
) -> None:
    builder = make_builder(single_record_bytes=1)
    times = [T0, T0 + 1, T0 + 2]
    store.write([r for receive_ns in times for r in builder.add(receive_ns, T0, 0, b'x')])
    assert times_of(store, from_ns=T0 + 1) == times[1:]
    assert times_of(store, to_ns=T0 + 2) == times[:2]
    assert times_of(store, from_ns=T0 + 1, to_ns=T0 + 2) == times[1:2]


def test_a_message_moved_to_a_later_microsecond_is_found_by_its_own_time(
    store: Store, make_builder: MakeBuilder
) -> None:
    builder = make_builder(single_record_bytes=1)
    records = [r for index in range(100) for r in builder.add(T0, T0, index, b'x')]
    assert records[-1].timestamp_us == T0 // 1000 + 99
    store.write(records)
    assert times_of(store, from_ns=T0, to_ns=T0 + 1) == [T0] * 100


def test_a_start_before_1970_is_the_first_message(store: Store, minute: list[int]) -> None:
    assert times_of(store, from_ns=-5 * SECOND) == minute


def test_an_end_before_1970_matches_nothing(store: Store, minute: list[int]) -> None:
    with pytest.raises(NothingMatchedError):
        store.read(to_ns=-5 * SECOND)


def test_chunks_that_reach_in_and_those_inside_come_in_one_order(
    store: Store, make_builder: MakeBuilder
) -> None:
    expected = []
    for number, topic in enumerate(('/slow', '/fast', '/other')):
        builder = make_builder(topic, max_age_ns=(40, 1, 7)[number] * SECOND)
        records = []
        for step in range(600):
            receive_ns = T0 + step * 100_000_000 + number
            records += builder.add(receive_ns, receive_ns, step, topic.encode())
            expected.append((receive_ns, topic))
        store.write(records + builder.flush())
    expected.sort()
    from_ns, to_ns = T0 + 33 * SECOND, T0 + 47 * SECOND
    found = store.read(from_ns=from_ns, to_ns=to_ns)
    assert [(message.receive_ns, message.channel.topic) for message in found] == [
        each for each in expected if from_ns <= each[0] < to_ns
    ]


def span_of(store: Store, selection: Selection) -> tuple[int, int]:
    async def work(connection: Connection) -> tuple[int, int]:
        span = await (await RecordSource.open(connection, selection)).span()
        assert span is not None
        return span

    return store.ask(work)


def inside(times: Iterable[int], span: tuple[int, int]) -> bool:
    return all(span[0] <= receive_ns < span[1] for receive_ns in times)


def test_a_span_covers_all_messages_of_a_long_chunk(store: Store, minute: list[int]) -> None:
    assert inside(minute, span_of(store, Selection()))


def test_a_span_is_cut_to_what_is_selected(store: Store, minute: list[int]) -> None:
    chosen = Selection(from_ns=minute[3] + 7, to_ns=minute[4] + 7)
    assert span_of(store, chosen) == (minute[3] + 7, minute[4] + 7)
