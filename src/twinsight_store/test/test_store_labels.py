from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twinsight_store.catalog import Catalog
from twinsight_store.errors import NothingMatchedError

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_store.connection import Connection

T0 = 1_763_900_000_123_456_789
MINUTE = 60_000_000_000

MISSIONS = [
    '42', '042', '+42', '42.0', '1e3', '1000', 'true', 'True', 'false', '1h', '60m', 'm1', '1m',
    '5 ms', '1h 30m', 's', 'Früh Schicht', 'a,b', 'a, b', 'nan', 'NaN', 'inf', '-inf', '&site',
    '$limit', '@x', 'say "hi"', '100%', '%31h', ' padded ', "it's", '9' * 19,
    '1e999', '2026-11-23', '0x1F', '1_000', '0', '-0', 'null', '{}', '[1]', '日本',
]  # fmt: skip


@pytest.fixture
def missions(store: Store, make_builder: MakeBuilder) -> Store:
    """Store one small message of each mission, minutes apart, in one entry."""
    records = []
    for index, mission in enumerate(MISSIONS):
        builder = make_builder(mission=mission, labels={'site': mission})
        builder.add(T0 + index * MINUTE, T0, index, mission.encode())
        records += builder.flush()
    assert len(store.write(records).stored) == len(MISSIONS)
    return store


def test_each_mission_is_found_alone_by_its_exact_text(missions: Store) -> None:
    for mission in MISSIONS:
        found = missions.read(missions=(mission,))
        assert [message.data.decode() for message in found] == [mission]
        assert found[0].labels['mission_id'] == mission


def test_each_label_is_found_alone_by_its_exact_text(missions: Store) -> None:
    for value in MISSIONS:
        found = missions.read(labels={'site': value})
        assert [message.data.decode() for message in found] == [value]


def test_each_mission_is_found_inside_a_span_too(missions: Store) -> None:
    """Other conditions are asked where a span begins: those chunks that reach into it."""
    for index, mission in enumerate(MISSIONS):
        at = T0 + index * MINUTE
        found = missions.read(missions=(mission,), from_ns=at, to_ns=at + 1)
        assert [message.data.decode() for message in found] == [mission]


def test_several_missions_are_alternatives(missions: Store) -> None:
    chosen = ('a,b', '042', 'nan', '1h', 'true')
    found = missions.read(missions=chosen)
    assert [m.data.decode() for m in found] == [m for m in MISSIONS if m in chosen]


def test_missions_are_listed_in_the_order_they_began(missions: Store) -> None:
    """Of those that the server reads as one value (42 and 042, false and 0) the first is."""

    async def work(connection: Connection) -> list[str]:
        return await Catalog(connection).missions('robot_01')

    merged = {'042', '+42', '42.0', '1000', '0', '-0'}
    listed = missions.ask(work)
    assert [m for m in listed if m not in merged] == [m for m in MISSIONS if m not in merged]


@pytest.mark.parametrize('mission', ['4', '0042', '1000.0', 'TRUE', '60', 'a', 'none', ''])
def test_a_mission_that_was_not_recorded_matches_nothing(missions: Store, mission: str) -> None:
    with pytest.raises(NothingMatchedError):
        missions.read(missions=(mission,))


def test_records_without_the_label_are_left_out(store: Store, make_builder: MakeBuilder) -> None:
    records = []
    for index, mission in enumerate(('', '7', 'dawn')):
        builder = make_builder(mission=mission, single_record_bytes=1)
        records += builder.add(T0 + index, T0, 0, b'%d' % index)
    store.write(records)
    assert [message.data for message in store.read(missions=('7',))] == [b'1']
    assert [message.data for message in store.read(missions=('dawn', '7'))] == [b'1', b'2']
    assert [message.data for message in store.read()] == [b'0', b'1', b'2']


def test_sensor_and_labels_must_all_hold(store: Store, make_builder: MakeBuilder) -> None:
    records = []
    for sensor in ('lidar', 'camera'):
        for site in ('x', 'y'):
            builder = make_builder(f'/{sensor}_{site}', sensor=sensor, labels={'site': site})
            builder.add(T0, T0, 0, f'{sensor} {site}'.encode())
            records += builder.flush()
    store.write(records)
    found = store.read(sensors=('camera',), labels={'site': 'y'})
    assert [message.data for message in found] == [b'camera y']
    assert len(store.read(sensors=('camera', 'lidar'), labels={'site': 'y'})) == 2
