from __future__ import annotations

from collections.abc import Callable
from typing import Any, TYPE_CHECKING

import aiohttp
import pytest

from twinsight_store import record_query
from twinsight_store.batch_response import FetchedRecord
from twinsight_store.connection import Connection
from twinsight_store.record_query import fetch, fetch_windows, first_timestamp, Window

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_tools.private import PrivateServer

T0_US = 1_763_900_000_000_000


@pytest.fixture
def every_millisecond(store: Store, make_builder: MakeBuilder) -> Store:
    """Store one record of 1 kB each millisecond for 1.2 s, by turns in three entries."""
    builders = [make_builder(topic, single_record_bytes=1) for topic in ('/a', '/b', '/c')]
    records = []
    for step in range(1200):
        receive_ns = (T0_US + step * 1000) * 1000
        records += builders[step % 3].add(receive_ns, 0, step, bytes(1000))
    store.write(records)
    return store


def windows(store: Store, start_us: int, stop_us: int) -> list[Window]:
    async def work(connection: Connection) -> list[Window]:
        entries = ['robot_01/a', 'robot_01/b', 'robot_01/c']
        return [w async for w in fetch_windows(connection, entries, start_us, stop_us)]

    return store.ask(work)


@pytest.mark.parametrize('window_bytes', [5_000, 50_000, 8_000_000])
def test_windows_of_any_size_hold_every_record_once_and_in_order(
    every_millisecond: Store, monkeypatch: pytest.MonkeyPatch, window_bytes: int
) -> None:
    monkeypatch.setattr(record_query, 'WINDOW_BYTES', window_bytes)
    found = windows(every_millisecond, T0_US, T0_US + 1_200_000)
    assert [record.timestamp_us for window in found for record in window.records] == [
        T0_US + step * 1000 for step in range(1200)
    ]
    assert all(record.timestamp_us < w.end_us for w in found for record in w.records)
    assert [w.end_us for w in found] == sorted(w.end_us for w in found)
    most = max(sum(len(record.data) for record in window.records) for window in found)
    assert most <= 4 * window_bytes


def test_a_window_is_bounded_by_what_its_chunks_unpack_to(
    store: Store, make_builder: MakeBuilder
) -> None:
    builder = make_builder('/costmap')  # nothing but zeros: chunks of a hundredth of their size
    records = []
    for step in range(2400):
        records += builder.add((T0_US + step * 10_000) * 1000, 0, step, bytes(50_000))
    store.write(records + builder.flush())

    async def work(connection: Connection) -> list[Window]:
        stop_us = T0_US + 24_000_001
        entries = ['robot_01/costmap']
        return [w async for w in fetch_windows(connection, entries, T0_US, stop_us)]

    found = store.ask(work)
    sizes = [sum(record.payload_bytes for record in window.records) for window in found]
    assert sum(sizes) == 2400 * 50_000
    assert max(sizes) <= 4 * record_query.WINDOW_BYTES
    assert sum(len(record.data) for w in found for record in w.records) < sum(sizes) / 50


def test_the_start_is_included_and_the_stop_is_not(every_millisecond: Store) -> None:
    [window] = windows(every_millisecond, T0_US + 3000, T0_US + 5000)
    assert [record.timestamp_us for record in window.records] == [T0_US + 3000, T0_US + 4000]


def test_a_long_gap_is_stepped_over(store: Store, make_builder: MakeBuilder) -> None:
    year_us = 365 * 86_400_000_000
    builder = make_builder('/a', single_record_bytes=1)
    for step in range(3):
        store.write(builder.add((T0_US + step * year_us) * 1000, 0, 0, b'x'))

    async def work(connection: Connection) -> list[Window]:
        stop_us = T0_US + 3 * year_us
        return [w async for w in fetch_windows(connection, ['robot_01/a'], T0_US, stop_us)]

    found = [record.timestamp_us for window in store.ask(work) for record in window.records]
    assert found == [T0_US, T0_US + year_us, T0_US + 2 * year_us]


@pytest.mark.parametrize(
    ('start_us', 'stop_us', 'first_us'),
    [
        (None, None, T0_US),
        (T0_US + 1, None, T0_US + 1000),
        (T0_US + 1000, T0_US + 2000, T0_US + 1000),
        (T0_US + 1001, T0_US + 2000, None),
        (T0_US + 5, T0_US + 5, None),
        (T0_US + 6, T0_US + 5, None),
    ],
)
def test_the_first_record_of_a_span_is_found(
    every_millisecond: Store, start_us: int | None, stop_us: int | None, first_us: int | None
) -> None:
    async def work(connection: Connection) -> int | None:
        entries = ['robot_01/b', 'robot_01/a']
        return await first_timestamp(connection, entries, start_us, stop_us)

    assert every_millisecond.ask(work) == first_us


def test_labels_alone_come_without_bytes(every_millisecond: Store) -> None:
    async def work(connection: Connection) -> list[FetchedRecord]:
        return await fetch(connection, ['robot_01/a'], T0_US, T0_US + 10_000, head=True)

    records = every_millisecond.ask(work)
    assert [record.data for record in records] == [b''] * 4
    assert [record.labels['sequence'] for record in records] == ['0', '3', '6', '9']


def test_a_question_that_a_restarted_store_has_forgotten_is_asked_again(
    store_at: Callable[..., Store], reduct_server: PrivateServer, make_builder: MakeBuilder
) -> None:
    class Interrupted(Connection):
        questions = 0

        async def request(self, method: str, *arguments: Any, **more: Any) -> Any:
            answer = await super().request(method, *arguments, **more)
            if method == 'POST':
                self.questions += 1
                if self.questions == 1:
                    reduct_server.restart()
            return answer

    store = store_at(reduct_server.url)
    store.write(make_builder(single_record_bytes=1).add(T0_US * 1000, 0, 0, b'x'))

    async def work(connection: Connection) -> None:
        async with aiohttp.ClientSession() as session:
            interrupted = Interrupted(connection.settings, session)
            [record] = await fetch(interrupted, ['robot_01/scan'])
            assert record.data == b'x'
            assert interrupted.questions == 2

    store.ask(work)
