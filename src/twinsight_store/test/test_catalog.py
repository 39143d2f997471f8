from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TYPE_CHECKING

import pytest

from twinsight_store.catalog import Catalog, Entry
from twinsight_store.channel import Channel
from twinsight_store.errors import NothingMatchedError
from twinsight_store.record_source import RecordSource
from twinsight_store.selection import Selection

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_store.connection import Connection

T0 = 1_763_900_000_000_000_000


def ask(store: Store, question: Callable[[Catalog], Any]) -> Any:
    async def work(connection: Connection) -> Any:
        return await question(Catalog(connection))

    return store.ask(work)


def test_entries_are_the_topics_with_records_and_nothing_else(
    store: Store, make_builder: MakeBuilder
) -> None:
    scan, odom = make_builder('/scan', single_record_bytes=1), make_builder('/a/odom', robot='r2')
    records = [r for i in range(3) for r in scan.add(T0 + i * 1000, T0, i, b'12345')]
    odom.add(T0, T0, 0, b'x')
    store.write(records + odom.flush())
    store.put('not_ours', 5, b'x')
    odom_entry, scan_entry = ask(store, lambda catalog: catalog.entries())
    assert (odom_entry.name, odom_entry.robot_id, odom_entry.records) == ('r2/a/odom', 'r2', 1)
    assert scan_entry == Entry(
        'robot_01/scan', T0 // 1000, T0 // 1000 + 2, 3, scan_entry.bytes
    )
    assert scan_entry.bytes >= 15


def test_missions_are_one_robots_over_all_its_topics_by_their_first_record(
    store: Store, make_builder: MakeBuilder
) -> None:
    records = []
    for robot, topic, mission, second in (
        ('robot_1', '/scan', 'noon', 50), ('robot_1', '/odom', 'noon', 20),
        ('robot_1', '/scan', 'dawn', 40), ('robot_1', '/scan', 'dusk', 10),
        ('robot_1', '/scan', 'noon', 60), ('robot_1', '/odom', '', 5),
        ('robot_10', '/scan', 'other', 1),
    ):  # fmt: skip
        builder = make_builder(topic, robot=robot, mission=mission)
        builder.add(T0 + second * 10**9, T0, 0, b'x')
        records += builder.flush()
    store.write(records)
    assert ask(store, lambda catalog: catalog.missions('robot_1')) == ['dusk', 'noon', 'dawn']
    assert ask(store, lambda catalog: catalog.missions('robot_10')) == ['other']
    assert ask(store, lambda catalog: catalog.missions('robot_2')) == []


def test_every_channel_of_an_entry_is_known_by_its_id_and_the_latest_by_no_id(
    store: Store, laser: Channel, make_builder: MakeBuilder
) -> None:
    newer = replace(laser, schema=b'int8 newer\n')
    for offset, channel in enumerate((laser, newer)):
        builder = make_builder(channel=channel)
        builder.add(T0 + offset * 10**9, T0, 0, b'x')
        store.write(builder.flush())
    assert ask(store, lambda catalog: catalog.channels(['robot_01/scan'])) == {
        'robot_01/scan': {laser.id: laser, newer.id: newer, '': newer}
    }


def test_channels_of_many_entries_are_found(store: Store, make_builder: MakeBuilder) -> None:
    builders = [make_builder(f'/topic_{i}', single_record_bytes=1) for i in range(250)]
    store.write([record for builder in builders for record in builder.add(T0, T0, 0, b'x')])
    found = ask(store, lambda catalog: catalog.channels(builder.entry for builder in builders))
    assert {entry: channels[''] for entry, channels in found.items()} == {
        builder.entry: builder.channel for builder in builders
    }


def test_the_channels_of_a_selection_are_named_with_their_robot(
    store: Store, make_builder: MakeBuilder
) -> None:
    for robot in ('r1', 'r2'):
        for topic in ('/scan', '/odom'):
            builder = make_builder(topic, robot=robot)
            builder.add(T0, T0, 0, b'x')
            store.write(builder.flush())

    async def work(connection: Connection) -> Sequence[tuple[str, Channel]]:
        return (await RecordSource.open(connection, Selection(topics=('/odom',)))).channels

    assert [(robot, channel.topic) for robot, channel in store.ask(work)] == [
        ('r1', '/odom'), ('r2', '/odom'),
    ]  # fmt: skip


@pytest.mark.parametrize('span', [{}, {'from_ns': T0 + 1}, {'from_ns': T0 + 10**9}, {'to_ns': T0}])
def test_where_nothing_is_there_is_no_span(
    store: Store, make_builder: MakeBuilder, span: dict[str, int]
) -> None:
    builder = make_builder()
    builder.add(T0, T0, 0, b'x')
    builder.add(T0 + 500_000_000, T0, 1, b'y')
    store.write(builder.flush())

    async def work(connection: Connection) -> None:
        source = await RecordSource.open(connection, Selection(robots=('none',), **span))
        assert await source.span() is None
        raise await Catalog(connection).nothing(Selection(robots=('none',), **span))

    with pytest.raises(NothingMatchedError, match='nothing matches --robot none'):
        store.ask(work)
