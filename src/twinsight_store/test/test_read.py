from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
import random
import threading
import time
from typing import TYPE_CHECKING

import pytest

from twinsight_store import record_query
from twinsight_store import record_source as source_module
from twinsight_store.errors import ConfigurationError, NothingMatchedError, RecordError
from twinsight_store.message import Message
from twinsight_store.read import read
from twinsight_store.selection import Selection
from twinsight_store.time_order import TimeOrder

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_tools.private import PrivateServer

T0 = 1_763_900_000_000_000_000
MILLISECOND = 1_000_000


@pytest.fixture
def long_drive(
    store: Store, make_builder: MakeBuilder, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """Store five topics of 1,000 messages each, 5 MB in all, to be read in small windows."""
    monkeypatch.setattr(record_query, 'WINDOW_BYTES', 100_000)
    for topic in range(5):
        builder = make_builder(f'/topic_{topic}')
        records = []
        for step in range(1000):
            receive_ns = T0 + step * 40 * MILLISECOND + topic
            records += builder.add(receive_ns, T0, step, random.randbytes(1000))
        store.write(records + builder.flush())
    return store


def reading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == 'twinsight-read']


def test_a_long_selection_passes_through_little_memory(
    long_drive: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = []

    class Watched(TimeOrder):
        def add(self, entry: str, timestamp_us: int, messages: Iterable[Message]) -> None:
            super().add(entry, timestamp_us, messages)
            waiting.append(len(self))

    monkeypatch.setattr(source_module, 'TimeOrder', Watched)
    messages = long_drive.read()
    assert len(messages) == 5000
    assert len(waiting) == 200  # records, of 25 messages and 25 kB each
    # At most a window, which may hold four times as much as it is meant to.
    assert max(waiting) <= 400 + 5 * 25


AHEAD = 4
"""Batches that are fetched before more is asked for: one taken, two in the queue, one in hand."""


def test_no_more_is_fetched_ahead_than_a_few_batches(
    long_drive: Store, fetched: list[int], wait_until: Callable[..., None]
) -> None:
    messages = read(Selection(), long_drive.settings)
    assert next(messages).receive_ns == T0
    wait_until(lambda: len(fetched) >= AHEAD, 'some batches are fetched ahead')
    time.sleep(0.5)
    assert len(fetched) == AHEAD
    assert 1 + sum(1 for _ in messages) == 5000
    assert len(fetched) > 12


def test_the_first_message_is_there_before_the_last_is_fetched(long_drive: Store) -> None:
    messages = read(Selection(), long_drive.settings)
    next(messages)
    assert len(reading_threads()) == 1
    messages.close()  # type: ignore[attr-defined]


def test_reading_works_inside_a_running_event_loop(long_drive: Store) -> None:
    async def notebook() -> int:
        return sum(1 for _ in read(Selection(topics=('/topic_1',)), long_drive.settings))

    assert asyncio.run(notebook()) == 1000


def test_an_iterator_that_is_closed_early_ends_its_thread(long_drive: Store) -> None:
    for taken in (1, 250):
        messages = read(Selection(), long_drive.settings)
        for _ in range(taken):
            next(messages)
        messages.close()  # type: ignore[attr-defined]
        assert reading_threads() == []


def test_a_loop_that_is_left_ends_the_thread(long_drive: Store) -> None:
    for message in read(Selection(), long_drive.settings):
        if message.sequence == 3:
            break
    del message
    assert reading_threads() == []


def test_a_selection_read_to_its_end_ends_its_thread(long_drive: Store) -> None:
    assert len(long_drive.read(topics=('/topic_2',))) == 1000
    assert reading_threads() == []


def test_closing_does_not_wait_for_a_store_that_is_away(
    store_at: Callable[..., Store], reduct_server: PrivateServer, make_builder: MakeBuilder,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fetched: list[int],
    wait_until: Callable[..., None],
) -> None:
    monkeypatch.setattr(record_query, 'WINDOW_BYTES', 500_000)
    store = store_at(reduct_server.url, patience_s=1000)
    builder = make_builder(single_record_bytes=1)
    data = bytes(100_000)
    step = 100 * MILLISECOND
    store.write([r for i in range(150) for r in builder.add(T0 + i * step, T0, i, data)])
    messages = read(Selection(), store.settings)
    next(messages)
    wait_until(lambda: len(fetched) == AHEAD, 'some batches are fetched ahead')
    reduct_server.kill()
    for _ in range(fetched[0]):  # to the first one of the second batch, so there is room for more
        next(messages)
    wait_until(lambda: 'does not answer' in caplog.text, 'it is noticed that the store is away')
    closing = threading.Thread(target=messages.close, daemon=True)  # type: ignore[attr-defined]
    closing.start()
    closing.join(30)
    assert not closing.is_alive()
    assert reading_threads() == []


def test_an_error_ends_the_thread_and_reaches_whoever_iterates(store: Store) -> None:
    store.put('r/t', 5, b'x')
    with pytest.raises(NothingMatchedError):
        next(read(Selection(robots=('none',)), store.settings))
    assert reading_threads() == []


def test_an_error_of_the_callers_own_callback_reaches_the_caller(store: Store) -> None:
    store.put('r/t', 5, b'x')

    def refuse(error: RecordError) -> None:
        raise error

    with pytest.raises(RecordError, match='^r/t: '):
        list(read(Selection(), store.settings, on_bad_record=refuse))
    assert reading_threads() == []


def test_without_settings_the_environments_are_used(
    long_drive: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('TWINSIGHT_REDUCT_URL', raising=False)
    with pytest.raises(ConfigurationError, match='^TWINSIGHT_REDUCT_URL is not set'):
        next(read(Selection()))
