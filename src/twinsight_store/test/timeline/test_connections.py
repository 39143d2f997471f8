"""The connections of a timeline end with it, whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, ExitStack
from dataclasses import replace
from typing import Any, TYPE_CHECKING

import psycopg
import pytest

from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.message import Message
from twinsight_store.open_timeline import Align, open_timeline
from twinsight_store.selection import Selection
from twinsight_store.timeline import Timeline

if TYPE_CHECKING:
    from conftest import Stores


@pytest.mark.parametrize('align', Align)
def test_connections_end_with_the_block(fleet: Stores, align: Align) -> None:
    async def leave(timeline: Timeline) -> None:
        await anext(timeline.batches())
        raise LookupError

    assert len(fleet.messages(align=align)) == 14
    assert fleet.connections_left() == 0
    with pytest.raises(LookupError):
        fleet.ask(leave, align=align)
    assert fleet.connections_left() == 0


def test_the_history_of_all_runs_is_read_on_one_connection(fleet: Stores) -> None:
    async def question(timeline: Timeline) -> int:
        async for _ in timeline.batches():
            pass
        return fleet.connections()

    assert fleet.ask(question, align=Align.START) == 1


@pytest.mark.parametrize('align', Align)
def test_connections_end_where_opening_fails_in_the_middle(fleet: Stores, align: Align) -> None:
    fleet.change('ALTER TABLE event RENAME COLUMN kind TO species')
    with pytest.raises(StoreRefusedError, match='species|kind'):
        fleet.messages(align=align)
    assert fleet.connections_left() == 0


@pytest.mark.parametrize('align', Align)
def test_a_history_that_is_not_there_is_told_at_once(drive: Stores, align: Align) -> None:
    drive.settings = replace(
        drive.settings, history=PostgresSettings('postgresql://127.0.0.1:1/x', patience_s=600)
    )
    with pytest.raises(StoreUnavailableError, match='PostgreSQL at 127.0.0.1:1'):
        drive.messages(align=align)


def test_reading_may_be_cancelled_at_any_moment(drive: Stores) -> None:
    async def question(timeline: Timeline) -> list[Message]:
        async def work() -> None:
            async for _ in timeline.batches():
                pass

        for steps in range(0, 60, 3):
            reading = asyncio.create_task(work())
            for _ in range(steps):
                await asyncio.sleep(0.0005)
            reading.cancel()
            await asyncio.wait([reading])
        return [message async for batch in timeline.batches() for message in batch.messages]

    assert drive.ask(question) == drive.messages()
    assert drive.connections_left() == 0


@contextmanager
def locked_metrics(stores: Stores) -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
    """Hold the history's samples back; give what waits until somebody asks for them."""
    assert stores.settings.history
    with (
        psycopg.connect(stores.settings.history.url, autocommit=True) as watching,
        psycopg.connect(stores.settings.history.url) as locking,
    ):
        locking.execute('LOCK TABLE metric IN ACCESS EXCLUSIVE MODE')

        async def asked() -> None:
            while not watching.execute('SELECT FROM pg_locks WHERE NOT granted').fetchall():
                await asyncio.sleep(0.01)

        yield asked


def test_a_block_ends_also_while_the_history_does_not_answer(drive: Stores) -> None:
    before = drive.told()
    with ExitStack() as held:

        async def question(timeline: Timeline) -> None:
            asked = held.enter_context(locked_metrics(drive))
            reading = asyncio.ensure_future(anext(timeline.batches()))
            await asked()
            reading.cancel()
            await asyncio.wait([reading])

        drive.ask(question)
        assert drive.connections_left() == 0
    assert drive.told() == before


@pytest.mark.parametrize('align', Align)
def test_opening_may_be_cancelled_while_the_history_does_not_answer(
    drive: Stores, align: Align
) -> None:
    async def work(asked: Callable[[], Coroutine[Any, Any, None]]) -> None:
        settings = replace(drive.settings, align=align)
        opening = asyncio.ensure_future(open_timeline(Selection(), settings).__aenter__())
        await asked()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    with locked_metrics(drive) as asked:
        asyncio.run(work(asked))
        assert drive.connections_left() == 0
