"""A replay session of the bridge, driven by the client of npm as an operator does it."""

from __future__ import annotations

from hashlib import sha256
import time
from typing import Any

import pytest
from pytest_viewers import Connect
from twinsight_viewers.client import NodeViewer

AT_REST_S = 0.3


@pytest.fixture
def viewer(start_bridge: Any, node_viewer: Connect, stored: Any) -> NodeViewer:
    """Return a viewer of the small topics of the drive, which stands still at its start."""
    url = start_bridge({'buckets': [stored.settings.bucket]}, **stored.environment)
    viewer = node_viewer(f'{url}/replay?robot={stored.robot}&paused=true')
    viewer.wait_open()
    viewer.wait_for_channels(*stored.types)
    viewer.subscribe('/odom|/tf')
    return viewer


def seen(viewer: NodeViewer, topic: str) -> list[tuple[int, str]]:
    """Return time and digest of the messages that a viewer got."""
    return [(message.log_ns, message.sha256) for message in viewer.of(topic)]


def sent(stored: Any, topic: str) -> list[tuple[int, str]]:
    """Return time and digest of the messages that were recorded."""
    return [(at_ns, sha256(data).hexdigest()) for at_ns, data in stored.of(topic)]


def wait_for_step(viewer: NodeViewer, stored: Any, step: int, *topics: str) -> None:
    """Return when the latest message of each of these topics is of a step."""
    viewer.wait_for(
        lambda: all(
            (messages := viewer.of(topic)) and messages[-1].log_ns == stored.at_ns(step)
            for topic in topics
        ),
        f'step {step} on {topics}',
    )


def play_until(viewer: NodeViewer, stored: Any, step: int, speed: float) -> float:
    """Play from where it stands to a step; return how many steps came in a second."""
    begun_s, before = time.monotonic(), viewer.of('/odom')[-1].log_ns
    assert viewer.playback('play', speed=speed)['speed'] == speed
    viewer.wait_for(lambda: viewer.of('/odom')[-1].log_ns >= stored.at_ns(step), f'step {step}')
    played = (viewer.of('/odom')[-1].log_ns - before) / stored.step_ns
    return float(played / (time.monotonic() - begun_s))


def test_an_operator_plays_pauses_seeks_and_changes_the_speed(
    viewer: NodeViewer, stored: Any
) -> None:
    last = stored.steps - 1
    assert viewer.server_info['capabilities'] == ['playbackControl', 'time']
    advertised = {topic: each['schemaName'] for topic, each in viewer.channels.items()}
    assert advertised == stored.types

    assert viewer.playback('play', speed=20)['speed'] == 20
    wait_for_step(viewer, stored, last, '/odom', '/tf')
    viewer.wait_for(lambda: viewer.playback_states[-1]['status'] == 'ended', 'end of the drive')
    for topic in ('/odom', '/tf'):
        assert seen(viewer, topic) == sent(stored, topic)
    for step, odom, frames in zip(
        range(stored.steps), viewer.of('/odom'), viewer.of('/tf'), strict=True
    ):
        assert odom.fields['pose']['pose']['position']['x'] == stored.x(step)
        frame = frames.fields['transforms'][0]
        assert frame['child_frame_id'] == 'lidar'
        assert frame['transform']['translation']['x'] == stored.x(step)

    state = viewer.playback('play', speed=1, seek_ns=stored.at_ns(10))
    assert (state['didSeek'], state['currentNs']) == (True, stored.at_ns(10))
    viewer.wait_for_messages('/odom', stored.steps + 5)
    paused = viewer.playback('pause')
    time.sleep(AT_REST_S)
    still = viewer.playback('pause')
    assert still['status'] == paused['status'] == 'paused'
    assert still['currentNs'] == paused['currentNs']

    state = viewer.playback('pause', seek_ns=stored.at_ns(50))
    assert (state['status'], state['currentNs']) == ('paused', stored.at_ns(50))
    wait_for_step(viewer, stored, 50, '/odom', '/tf')
    slow = play_until(viewer, stored, step=51, speed=0.125)
    assert slow < 1.35  # of 1.25: nothing comes before it is due
    assert play_until(viewer, stored, step=last, speed=10) > 2 * slow

    # Each time what held there, and then all, without a gap.
    steps = [(at_ns - stored.at_ns(0)) // stored.step_ns for at_ns, _ in seen(viewer, '/odom')]
    first, middle, end = steps[:stored.steps], steps[stored.steps:-51], steps[-51:]
    assert (first, end) == ([*range(stored.steps)], [*range(49, stored.steps)])
    assert middle == [*range(9, 9 + len(middle))]
    assert stored.at_ns(middle[-1]) <= paused['currentNs']
    assert viewer.errors == viewer.statuses == []


def test_an_operator_looks_at_images_and_points(viewer: NodeViewer, stored: Any) -> None:
    viewer.subscribe('/camera|/points')
    for step in (80, 60):
        viewer.playback('pause', seek_ns=stored.at_ns(step))
        wait_for_step(viewer, stored, step, *stored.types)
        image, cloud = (viewer.of(topic)[-1].fields for topic in ('/camera', '/points'))
        assert image['data'] == bytes(stored.colour(step)) * stored.pixels
        assert cloud['width'] * cloud['point_step'] == len(cloud['data'])
        assert cloud['header']['frame_id'] == 'lidar'

    viewer.playback('play', speed=4)
    wait_for_step(viewer, stored, stored.steps - 1, *stored.types)
    for topic in ('/camera', '/points'):  # of what is big, who is slow gets less
        played = seen(viewer, topic)
        played = played[played.index(sent(stored, topic)[60]):]
        assert set(played) <= set(sent(stored, topic)) and played == sorted(set(played))
    assert viewer.errors == []
