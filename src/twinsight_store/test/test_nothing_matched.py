from __future__ import annotations

from typing import Any, TYPE_CHECKING

import pytest

from twinsight_store.errors import NothingMatchedError

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store

T0 = 1_763_900_000_000_000_000


@pytest.fixture
def fleet(store: Store, make_builder: MakeBuilder) -> Store:
    """Store two robots' missions."""
    records = []
    for robot, mission, topic, start_s in (
        ('robot_01', 'Früh Schicht', '/scan', 0),
        ('robot_01', '042', '/odom', 60),
        ('robot_02', '', '/scan', 3600),
    ):
        builder = make_builder(topic, robot=robot, mission=mission, single_record_bytes=1)
        for second in (start_s, start_s + 30):
            records += builder.add(T0 + second * 10**9, T0, 0, b'x')
    store.write(records)
    return store


def text_of(store: Store, **selection: Any) -> str:
    with pytest.raises(NothingMatchedError) as error:
        store.read(**selection)
    return str(error.value)


ROBOT_01 = (
    'robot_01 (missions Früh Schicht, 042; 2025-11-23 12:13:20.000 UTC to '
    '2025-11-23 12:14:50.000 UTC)'
)
ROBOT_02 = 'robot_02 (missions none; 2025-11-23 13:13:20.000 UTC to 2025-11-23 13:13:50.000 UTC)'


def test_a_robot_that_is_not_there_is_answered_with_those_that_are(fleet: Store) -> None:
    assert text_of(fleet, robots=('robot_03',)) == (
        f'nothing matches --robot robot_03; there is {ROBOT_01}; {ROBOT_02}'
    )


def test_a_mission_that_a_robot_never_had_is_answered_with_its_missions(fleet: Store) -> None:
    assert text_of(fleet, robots=('robot_01',), missions=('42',)) == (
        f'nothing matches --robot robot_01 --mission 42; there is {ROBOT_01}'
    )


def test_a_topic_that_a_robot_does_not_have_is_answered_with_its_topics(fleet: Store) -> None:
    assert text_of(fleet, robots=('robot_01',), topics=('/camera/*',)) == (
        f'nothing matches --robot robot_01 --topic /camera/*; there is {ROBOT_01}; '
        'topics /odom, /scan'
    )


def test_an_empty_time_is_answered_with_the_spans_there_are(fleet: Store) -> None:
    assert text_of(fleet, from_ns=T0 + 10**9, to_ns=T0 + 2 * 10**9) == (
        'nothing matches everything, 2025-11-23 12:13:21.000 UTC to 2025-11-23 12:13:22.000 UTC; '
        f'there is {ROBOT_01}; {ROBOT_02}'
    )


def test_an_empty_bucket_is_named(store: Store) -> None:
    async def make(connection: Any) -> None:
        await connection.bucket(create=True)

    store.ask(make)
    assert text_of(store) == (
        f'nothing matches everything; there is bucket {store.settings.bucket!r} is empty'
    )


def test_a_big_fleet_is_cut_short(store: Store, make_builder: MakeBuilder) -> None:
    store.write(
        [
            record
            for number in range(13)
            for record in make_builder(robot=f'r{number:02}', single_record_bytes=1).add(
                T0, T0, 0, b'x'
            )
        ]
    )
    text = text_of(store, robots=('none',))
    assert [robot for robot in range(13) if f'r{robot:02} (' in text] == list(range(10))
    assert text.endswith('; and 3 more robots')
