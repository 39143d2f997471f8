from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import logging
import random
import threading
from typing import TYPE_CHECKING

import pytest

from twinsight_store import record_query
from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.read import read
from twinsight_store.selection import Selection

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_store.connection import Connection
    from twinsight_tools.private import PrivateServer

T0 = 1_763_900_000_000_000_000
MILLISECOND = 1_000_000


@pytest.fixture
def mixed_drive(
    store_at: Callable[..., Store], reduct_server: PrivateServer, make_builder: MakeBuilder,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Store, list[tuple[int, str, int]]]:
    """Store 4 MB of big and small messages, safely on disk; return also what was stored."""
    monkeypatch.setattr(record_query, 'WINDOW_BYTES', 100_000)
    store = store_at(reduct_server.url)
    chance = random.Random(5)
    expected = []
    for topic, count, size in (
        ('/image', 150, 20_000), ('/depth', 150, 6_000), ('/odom', 1500, 50), ('/start', 5, 10),
    ):  # fmt: skip
        builder = make_builder(topic, single_record_bytes=5_000)
        records = []
        for step in range(count):
            receive_ns = T0 + step * (30_000 // max(count, 150)) * MILLISECOND + len(topic)
            records += builder.add(receive_ns, T0, step, chance.randbytes(size))
            expected.append((receive_ns, topic, step))
        store.write(records + builder.flush())
    reduct_server.restart()
    return store, sorted(expected)


def test_a_read_outlives_the_death_of_the_store_with_every_message_once_and_in_order(
    mixed_drive: tuple[Store, list[tuple[int, str, int]]],
    reduct_server: PrivateServer,
    caplog: pytest.LogCaptureFixture,
    wait_until: Callable[..., None],
) -> None:
    store, expected = mixed_drive
    found = []

    def come_back() -> None:
        try:
            wait_until(lambda: caplog.text.count('does not answer') >= 3, 'it is asked for again')
        finally:
            reduct_server.start()

    back = threading.Thread(target=come_back)
    with caplog.at_level(logging.WARNING):
        for message in read(Selection(), store.settings):
            found.append((message.receive_ns, message.channel.topic, message.sequence))
            if len(found) == 50:
                reduct_server.kill()
                back.start()
    back.join()
    assert caplog.text.count('does not answer') >= 3
    assert found == expected


def test_a_read_goes_on_after_two_quick_restarts(
    mixed_drive: tuple[Store, list[tuple[int, str, int]]], reduct_server: PrivateServer
) -> None:
    """The new server knows nothing of the old one's queries."""
    store, expected = mixed_drive
    found = []
    for message in read(Selection(), store.settings):
        found.append((message.receive_ns, message.channel.topic, message.sequence))
        if len(found) in (50, 1000):
            reduct_server.kill()
            reduct_server.start()
    assert found == expected


def test_a_store_that_stays_away_is_reported_after_the_patience(
    mixed_drive: tuple[Store, list[tuple[int, str, int]]],
    reduct_server: PrivateServer,
) -> None:
    store, expected = mixed_drive
    settings = replace(store.settings, patience_s=0.5)
    found = []
    with pytest.raises(StoreUnavailableError, match='does not answer'):
        for message in read(Selection(), settings):
            found.append((message.receive_ns, message.channel.topic, message.sequence))
            if len(found) == 50:
                reduct_server.kill()
    assert 50 <= len(found) < len(expected)
    assert found == expected[:len(found)]


def test_a_bucket_that_is_deleted_under_a_read_is_an_error_and_no_endless_loop(
    mixed_drive: tuple[Store, list[tuple[int, str, int]]], fetched: list[int],
    wait_until: Callable[..., None],
) -> None:
    store, expected = mixed_drive

    async def delete(connection: Connection) -> None:
        await (await connection.bucket()).remove()

    found = []
    with pytest.raises(StoreRefusedError, match='refuses: .*(not found|being deleted)'):
        for message in read(Selection(), store.settings):
            found.append(message)
            if len(found) == 1:
                # Not amid an answer, the rest of which the store might no longer find.
                wait_until(lambda: len(fetched) == 4, 'so much is fetched ahead, and no more')
                store.ask(delete)
    assert len(found) < len(expected)
