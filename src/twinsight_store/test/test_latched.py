from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from twinsight_store.channel import Channel, QOS_KEY
from twinsight_store.errors import RecordError
from twinsight_store.message import Message
from twinsight_store.record_source import RecordSource
from twinsight_store.selection import Selection
from twinsight_store.static_transforms import child_frames

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_store.connection import Connection

T0 = 1_763_900_000_000_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
LATCHED = '- {reliability: reliable, durability: transient_local, history: keep_last, depth: 1}'
MAP = Channel('/map', 'nav_msgs/msg/OccupancyGrid', 'ros2msg', b'', metadata={QOS_KEY: LATCHED})
TF = Channel(
    '/tf_static', 'tf2_msgs/msg/TFMessage', 'ros2msg', b'', metadata={QOS_KEY: LATCHED}
)


def transforms(*children: str) -> bytes:
    """Return a TFMessage that places frames, as CDR."""
    data = b'\0\1\0\0' + struct.pack('<I', len(children))
    for child in children:
        data += bytes(8)
        for frame in ('base', child):
            data += bytes(-len(data) % 4)
            text = frame.encode() + b'\0'
            data += struct.pack('<I', len(text)) + text
        data += bytes((4 - len(data)) % 8) + struct.pack('<7d', *range(7))
    return data


def latched(
    store: Store, time_ns: int, on_bad_record: object = None, **selection: object
) -> list[Message]:
    async def work(connection: Connection) -> list[Message]:
        errors: list[RecordError] = []
        source = await RecordSource.open(
            connection, Selection(**selection), errors.append  # type: ignore[arg-type]
        )
        found = await source.latched(time_ns)
        if isinstance(on_bad_record, list):
            on_bad_record.extend(errors)
        return found

    return store.ask(work)


def write(store: Store, make_builder: MakeBuilder, channel: Channel, *messages: object,
          mission: str = 'dawn', **rules: int) -> None:
    builder = make_builder(channel=channel, mission=mission, **rules)
    records = []
    for receive_ns, data in messages:  # type: ignore[misc]
        records += builder.add(receive_ns, receive_ns, 0, data)
    store.write(records + builder.flush())


@pytest.mark.parametrize('rules', [{}, {'single_record_bytes': 1}])
def test_the_value_as_of_a_time_is_the_last_one_before_it(
    store: Store, make_builder: MakeBuilder, rules: dict[str, int]
) -> None:
    write(store, make_builder, MAP, *(
        (T0 + n * 100_000_000, f'map {n}'.encode()) for n in range(50)
    ), **rules)
    write(store, make_builder, Channel('/odom', 'nav_msgs/msg/Odometry'), (T0, b'not latched'))
    for time_ns, expected in (
        (T0, []), (T0 + 1, [b'map 0']), (T0 + 2 * SECOND, [b'map 19']),
        (T0 + 2 * SECOND + 1, [b'map 20']), (T0 + HOUR, [b'map 49']),
        (T0 + 23 * HOUR, [b'map 49']),
        (T0 + 25 * HOUR, []),  # the robot was started anew since
    ):
        assert [message.data for message in latched(store, time_ns)] == expected


def test_it_is_found_whatever_mission_and_start_are_selected_but_of_selected_topics_only(
    store: Store, make_builder: MakeBuilder
) -> None:
    write(store, make_builder, MAP, (T0, b'map'), mission='before')
    write(store, make_builder, TF, (T0 + HOUR, transforms('lidar')), mission='dawn')
    both = latched(store, T0 + 2 * HOUR, missions=('dawn',), from_ns=T0 + HOUR)
    assert [message.data for message in both] == [b'map', transforms('lidar')]
    assert latched(store, T0 + 2 * HOUR, topics=('/map',)) == both[:1]
    assert latched(store, T0 + 2 * HOUR, robots=('robot_02',)) == []


def test_of_static_transforms_the_last_one_of_each_child_frame_comes(
    store: Store, make_builder: MakeBuilder
) -> None:
    first, lidar, both, camera = (
        transforms('lidar', 'imu'), transforms('lidar'), transforms('camera', 'wheel'),
        transforms('camera'),
    )
    write(store, make_builder, TF, *(
        (T0 + n * HOUR, data) for n, data in enumerate((first, lidar, both, camera))
    ))
    found = latched(store, T0 + 4 * HOUR)
    assert [message.data for message in found] == [first, lidar, both, camera]  # imu and wheel too
    write(store, make_builder, TF, (T0 + 4 * HOUR, transforms('camera', 'wheel', 'lidar')))
    found = latched(store, T0 + 5 * HOUR)
    assert [message.receive_ns for message in found] == [T0, T0 + 4 * HOUR]


def test_a_corrupt_record_is_reported_and_the_others_are_found(
    store: Store, make_builder: MakeBuilder
) -> None:
    write(store, make_builder, MAP, (T0, b'map'))
    write(store, make_builder, TF, (T0, transforms('lidar')))
    store.put(
        'robot_01/tf_static', (T0 + SECOND) // 1000, b'no chunk', content_type='application/mcap'
    )
    errors: list[RecordError] = []
    found = latched(store, T0 + HOUR, errors)
    assert [message.data for message in found] == [b'map', transforms('lidar')]
    assert len(errors) == 1
    assert 'robot_01/tf_static' in str(errors[0])


def test_frames_are_read_from_the_bytes_that_are_there() -> None:
    data = transforms('lidar', 'a longer name', 'imu')
    assert child_frames(data) == {'lidar', 'a longer name', 'imu'}
    assert child_frames(data[:60]) == {'lidar'}
    assert child_frames(b'') == set()
