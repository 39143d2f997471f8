"""From the thread that takes to the viewers' queues: order, late viewers, and what is too much."""

import asyncio

from twinsight_bridge.front.protocol import message_frame
from twinsight_bridge.front.viewer import Server, Viewer
from twinsight_bridge.live.distribution import Arrived, Distribution, LIMIT_BYTES
from twinsight_bridge.live.loss_watch import LossWatch

CAMERA, MAP = 3, 4
MEGABYTE = 1_000_000


def viewer_of(distribution):
    return Viewer('viewer', Server(0, source=distribution), 10 * LIMIT_BYTES)


def drain(viewer):
    return list(iter(lambda: viewer.outgoing.take(0), None))


async def delivered(distribution):
    distribution.flush()
    for _ in range(20):
        await asyncio.sleep(0)


def arrived(channel, number, data=b'data', publisher=b'one'):
    return Arrived(channel, publisher, number, data)


def test_each_viewer_gets_what_it_subscribed_to_under_its_own_number():
    async def run():
        distribution = Distribution(asyncio.get_running_loop())
        distribution.open(CAMERA)
        one, two = viewer_of(distribution), viewer_of(distribution)
        assert distribution.subscribe(one, 7, CAMERA)
        assert distribution.subscribe(two, 8, CAMERA)
        assert not distribution.subscribe(one, 9, CAMERA)  # it has it
        assert not distribution.subscribe(one, 9, MAP)  # there is none
        for number in range(200):
            distribution.offer(arrived(CAMERA, number), False)
        await delivered(distribution)
        distribution.unsubscribe(two, CAMERA)
        distribution.offer(arrived(CAMERA, 200), False)
        await delivered(distribution)
        return drain(one), drain(two)

    one, two = asyncio.run(run())
    assert one == [message_frame(7, number, b'data') for number in range(201)]
    assert two == [message_frame(8, number, b'data') for number in range(200)]


def test_a_late_viewer_gets_what_holds_and_then_what_comes():
    async def run():
        distribution = Distribution(asyncio.get_running_loop())
        distribution.open(MAP, 'nav_msgs/msg/OccupancyGrid')
        early, late = viewer_of(distribution), viewer_of(distribution)
        distribution.subscribe(early, 1, MAP)
        for number, data in enumerate((b'old', b'map')):
            distribution.offer(arrived(MAP, number, data), True)
        distribution.offer(arrived(MAP, 2, b'other', b'two'), True)
        await delivered(distribution)
        distribution.subscribe(late, 1, MAP)
        distribution.offer(arrived(MAP, 3, b'new'), True)
        await delivered(distribution)
        return drain(early), drain(late)

    early, late = asyncio.run(run())
    assert [frame[13:] for frame in early] == [b'old', b'map', b'other', b'new']
    assert [frame[13:] for frame in late] == [b'map', b'other', b'new']


def test_what_the_event_loop_is_too_slow_for_is_left_out_and_counted():
    async def run():
        distribution = Distribution(asyncio.get_running_loop())
        distribution.open(CAMERA)
        distribution.open(MAP, 'nav_msgs/msg/OccupancyGrid')
        viewer = viewer_of(distribution)
        distribution.subscribe(viewer, 1, CAMERA)
        distribution.subscribe(viewer, 2, MAP)
        for number in range(40):
            distribution.offer(arrived(CAMERA, number, bytes(MEGABYTE)), False)
        for number in range(40, 50):
            distribution.offer(arrived(CAMERA, number, b'small'), False)
        distribution.offer(arrived(MAP, 50, bytes(MEGABYTE)), True)
        await delivered(distribution)
        distribution.offer(arrived(CAMERA, 51, bytes(MEGABYTE)), False)
        await delivered(distribution)
        return distribution.left_out, drain(viewer)

    left_out, frames = asyncio.run(run())
    numbers = sorted(int.from_bytes(frame[5:13], 'little') for frame in frames)
    assert numbers == [*range(32), *range(40, 52)]
    assert left_out == {CAMERA: 8}


def test_one_message_above_the_limit_is_not_left_out():
    async def run():
        distribution = Distribution(asyncio.get_running_loop())
        distribution.open(CAMERA)
        viewer = viewer_of(distribution)
        distribution.subscribe(viewer, 1, CAMERA)
        distribution.offer(arrived(CAMERA, 1, bytes(LIMIT_BYTES + 1)), False)
        await delivered(distribution)
        return distribution.left_out, len(drain(viewer))

    assert asyncio.run(run()) == ({}, 1)


def test_losses_are_told_once_each():
    watch = LossWatch()
    assert watch.news({'/odom': 0}, {}) == ''
    assert watch.news({'/odom': 3, '/scan': 5}, {}) == (
        'lost on the way to the bridge: 5 of /scan, 3 of /odom'
    )
    assert watch.news({'/odom': 3, '/scan': 5}, {}) == ''
    assert watch.news({'/odom': 3}, {f'/camera{n}': n for n in range(1, 6)}) == (
        'lost on the way to the bridge: 3 of /odom; left out by the bridge, which cannot keep up: '
        '5 of /camera5, 4 of /camera4, 3 of /camera3 and 2 more topics'
    )
