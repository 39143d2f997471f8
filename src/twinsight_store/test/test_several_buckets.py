"""Several buckets of a real ReductStore, read as if they were one."""

from __future__ import annotations

from dataclasses import replace
import logging
from typing import Any, NamedTuple, TYPE_CHECKING

import pytest

from twinsight_store import record_query
from twinsight_store.catalog import Catalog
from twinsight_store.channel import Channel
from twinsight_store.errors import NothingMatchedError
from twinsight_store.record_query import fetch_windows, Window
from twinsight_store.record_source import RecordSource
from twinsight_store.selection import Selection

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_store.connection import Connection

T0 = 1_763_900_000_000_000_000
T0_US = T0 // 1000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000


class Buckets(NamedTuple):
    """Two buckets of one server, and both as one."""

    first: Store
    second: Store
    both: Store


@pytest.fixture
def buckets(store: Store) -> Buckets:
    """Return two buckets, which are not made yet."""
    settings = store.settings
    other = settings.bucket + '-other'
    return Buckets(
        store,
        type(store)(replace(settings, bucket=other)),
        type(store)(replace(settings, more_buckets=(other,))),
    )


def text_of(store: Store, **selection: Any) -> str:
    with pytest.raises(NothingMatchedError) as error:
        store.read(**selection)
    return str(error.value)


@pytest.mark.parametrize('window_bytes', [30_000, 8_000_000])
def test_messages_of_both_come_in_one_exact_order(
    buckets: Buckets, make_builder: MakeBuilder, monkeypatch: pytest.MonkeyPatch,
    window_bytes: int,
) -> None:
    monkeypatch.setattr(record_query, 'WINDOW_BYTES', window_bytes)
    expected = []
    for store, topic, offset_ns, rules in (
        (buckets.first, '/odom', 0, {'max_age_ns': 300 * MILLISECOND}),
        (buckets.second, '/image', 1, {'single_record_bytes': 1}),
        (buckets.first, '/scan', 2, {'single_record_bytes': 1}),
        (buckets.second, '/points', 3, {'max_age_ns': 70 * MILLISECOND}),
    ):
        builder = make_builder(topic, **rules)
        records = []
        for step in range(300):
            receive_ns = T0 + step * 7 * MILLISECOND + offset_ns
            records += builder.add(receive_ns, T0, step, bytes(500))
            expected.append((receive_ns, topic, step))
        store.write(records + builder.flush())
    found = buckets.both.read()
    assert [(m.receive_ns, m.channel.topic, m.sequence) for m in found] == sorted(expected)
    part = buckets.both.read(from_ns=T0 + SECOND, to_ns=T0 + SECOND + 100 * MILLISECOND)
    assert [(m.receive_ns, m.channel.topic, m.sequence) for m in part] == [
        each for each in sorted(expected) if 0 <= each[0] - T0 - SECOND < 100 * MILLISECOND
    ]
    assert {m.channel.topic for m in buckets.second.read()} == {'/image', '/points'}


def test_a_topic_that_moved_to_another_bucket_is_one_topic(
    buckets: Buckets, laser: Channel, make_builder: MakeBuilder
) -> None:
    newer = replace(laser, schema=laser.schema + b'float32[] intensities\n')
    for store, channel, start_s in (
        (buckets.second, laser, 0), (buckets.first, newer, 10),
    ):  # fmt: skip
        builder = make_builder(channel=channel, single_record_bytes=1)
        store.write([
            record
            for second in range(start_s, start_s + 10)
            for record in builder.add(T0 + second * SECOND, T0, second, b'x')
        ])
    found = buckets.both.read(topics=('/scan',))
    assert [message.sequence for message in found] == [*range(20)]
    assert [message.channel for message in found] == [laser] * 10 + [newer] * 10

    async def work(connection: Connection) -> Any:
        source = await RecordSource.open(connection, Selection())
        return (
            source.channels,
            await source.span(),
            await Catalog(connection).entries(),
        )

    channels, (start_ns, end_ns), [entry] = buckets.both.ask(work)
    assert channels == [('robot_01', newer)]
    assert (start_ns, end_ns) == (T0, T0 + 19 * SECOND + 999)
    assert (entry.records, entry.oldest_us) == (20, T0_US)
    assert entry.latest_us == T0_US + 19_000_000


def test_messages_of_one_nanosecond_come_in_the_order_of_the_buckets(
    buckets: Buckets, make_builder: MakeBuilder
) -> None:
    for store in (buckets.second, buckets.first):
        builder = make_builder()
        for index in range(3):
            builder.add(T0, T0, index, store.settings.bucket.encode())
        store.write(builder.flush())
    names = [(message.data.decode(), message.sequence) for message in buckets.both.read()]
    assert names == [
        (store.settings.bucket, index) for index in range(3) for store in buckets[:2]
    ]


def test_a_window_is_bounded_over_both_together(
    buckets: Buckets, make_builder: MakeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_query, 'WINDOW_BYTES', 100_000)
    for store in buckets[:2]:
        builder = make_builder(single_record_bytes=1)
        store.write([
            record
            for step in range(400)
            for record in builder.add(T0 + step * MILLISECOND, T0, step, bytes(5000))
        ])

    async def work(connection: Connection) -> list[Window]:
        entries = ['robot_01/scan']
        return [w async for w in fetch_windows(connection, entries, T0_US, T0_US + 400_000)]

    sizes = [sum(len(r.data) for r in window.records) for window in buckets.both.ask(work)]
    assert sum(sizes) == 2 * 400 * 5000
    assert max(sizes) <= 400_000


def test_missions_of_both_are_known_by_their_first_record(
    buckets: Buckets, make_builder: MakeBuilder
) -> None:
    for store, mission, second in (
        (buckets.first, 'noon', 5), (buckets.second, 'dawn', 1),
        (buckets.second, 'dusk', 9), (buckets.first, 'dusk', 7),
    ):  # fmt: skip
        builder = make_builder(mission=mission, single_record_bytes=1)
        store.write(builder.add(T0 + second * SECOND, T0, 0, b'x'))

    async def work(connection: Connection) -> list[str]:
        return await Catalog(connection).missions('robot_01')

    assert buckets.both.ask(work) == ['dawn', 'noon', 'dusk']
    assert len(buckets.both.read(missions=('dusk',))) == 2
    assert text_of(buckets.both, missions=('none',)) == (
        'nothing matches --mission none; there is robot_01 (missions dawn, noon, dusk; '
        '2025-11-23 12:13:21.000 UTC to 2025-11-23 12:13:29.000 UTC)'
    )


def test_a_bucket_that_is_not_there_is_said_once_and_the_other_is_read(
    buckets: Buckets, make_builder: MakeBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    builder = make_builder(single_record_bytes=1)
    buckets.second.write([r for i in range(300) for r in builder.add(T0 + i * SECOND, 0, i, b'x')])
    with caplog.at_level(logging.WARNING):
        assert [message.sequence for message in buckets.both.read()] == [*range(300)]
    settings = buckets.first.settings
    assert caplog.messages == [
        f'ReductStore at {settings.url} has no bucket {settings.bucket!r}: reading the others'
    ]


def test_where_both_are_there_nothing_is_said(
    buckets: Buckets, make_builder: MakeBuilder, caplog: pytest.LogCaptureFixture
) -> None:
    for store in buckets[:2]:
        store.write(make_builder(single_record_bytes=1).add(T0, T0, 0, b'x'))
    assert len(buckets.both.read()) == 2
    assert caplog.messages == []


def test_where_nothing_matches_a_bucket_that_is_not_there_is_named(
    buckets: Buckets, make_builder: MakeBuilder
) -> None:
    names = [store.settings.bucket for store in buckets[:2]]
    assert text_of(buckets.both) == (
        f'ReductStore at {buckets.both.settings.url} has no bucket {names[0]!r} or {names[1]!r}: '
        'nothing was recorded there yet'
    )

    async def make(connection: Connection) -> None:
        await connection.bucket(create=True)

    buckets.first.ask(make)
    assert text_of(buckets.both) == (
        f'nothing matches everything; there is bucket {names[0]!r} is empty; '
        f'no bucket {names[1]!r}'
    )
    buckets.first.write(make_builder(single_record_bytes=1).add(T0, T0, 0, b'x'))
    assert text_of(buckets.both, robots=('r9',)) == (
        'nothing matches --robot r9; there is robot_01 (missions dawn; '
        '2025-11-23 12:13:20.000 UTC to 2025-11-23 12:13:20.000 UTC); '
        f'no bucket {names[1]!r}'
    )
