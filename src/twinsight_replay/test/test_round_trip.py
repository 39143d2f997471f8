"""A robot is recorded, replayed, and the replay is recorded: both recordings are equal."""

from collections import Counter
import json
from pathlib import Path
import signal

import numpy as np
import pytest
from pytest_ros import wait_until
from rosbag2_interfaces.srv import Resume
from twinsight_demo.sighting import read_ledger

from twinsight_interfaces.msg import RecorderStatus, ReplayStatus
from twinsight_store.connection import URL_VARIABLE
from twinsight_store.read import read
from twinsight_store.selection import Selection

CONFIG = Path(__file__).parents[3] / 'config' / 'recorder.yaml'
SECONDS = 6
NOT_OF_THE_ROBOT = {'/rosout', '/parameter_events', '/recorder/transition_event'}
"""
The recorder and the replay publish on them too, as every node does, or lifecycle node: so each
recording has some of its own.
"""

SLACK_NS = 10_000_000  # from when a message is found to be late, or not, to its publishing


@pytest.fixture
def record(ros, store_settings, with_room):
    """Return a function that starts a recorder of a robot; what that returns ends it."""
    node, statuses = ros.node('listener'), []
    node.create_subscription(RecorderStatus, '/recorder/status', statuses.append, 10)
    ros.serve(node)

    def received(robot):
        latest = [each for each in statuses if each.robot_id == robot][-1:]
        return Counter({topic.topic: topic.received for each in latest for topic in each.topics})

    def start(robot):
        recorder = ros.start(
            'twinsight_recorder', 'recorder', '--ros-args', '--params-file', str(CONFIG),
            '-p', f'robot_id:={robot}', '-p', 'mission_id:=m', '-p', 'diagnostics:=false',
            '-p', f'store.bucket:={store_settings.bucket}',
            **{URL_VARIABLE: store_settings.url}, **with_room,
        )

        def finish(counts):
            """Return what it has recorded, once it has received so many of each topic."""
            wait_until(lambda: received(robot) >= counts)
            recorder.finish(60, ask=signal.SIGINT)
            return recorded(robot, store_settings)

        return finish

    return start


@pytest.fixture
def resume_with(ros):
    """Return a function that lets a replay go on when so many messages are read ahead."""
    node, statuses = ros.node('operator'), []
    node.create_subscription(ReplayStatus, '/replay/status', statuses.append, 10)
    ros.serve(node)

    def resume(messages):
        wait_until(lambda: any(each.queued >= messages for each in statuses))
        ros.call(node, '/replay/resume', Resume)

    return resume


def recorded(robot, settings):
    """Return the messages by topic, but those that are not the robot's alone."""
    found = {}
    for message in read(Selection(robots=(robot,)), settings):
        if message.topic not in NOT_OF_THE_ROBOT:
            found.setdefault(message.topic, []).append(message)
    return found


def times(messages):
    return np.array([each.receive_ns for each in messages])


def quantile_ns(values, part):
    return float(np.quantile(values, part))


def is_as_it_was(before_ns, after_ns, published_ns, late_p99_ns):
    """
    Return whether the times of a second recording are those of the first one, moved.

    A message is away from its place by how late it was published, and by how long the recorder
    took to receive it; both were measured. Of their sum, 98 % are within the sum of what each
    is in 99 %. That holds for every share of lateness, on a slow machine too; not where the time
    stands because what comes next is not read yet.
    """
    offsets = after_ns - before_ns
    received = after_ns - published_ns
    allowed_ns = late_p99_ns + quantile_ns(received, 0.99) + SLACK_NS
    return quantile_ns(offsets, 0.98) - offsets.min() <= allowed_ns


def test_what_is_replayed_is_recorded_as_what_was_replayed(
    ros, store_settings, record, resume_with, with_room
):
    ledger = ros.folder / 'ledger.jsonl'
    robot = ros.start(
        'twinsight_sim', 'sim_robot', '--ros-args', '-p', f'duration:={float(SECONDS)}',
        '-p', f'ledger:={ledger}', '-p', 'wait_for_subscribers:=20.0', **with_room,
    )
    finish = record('robot_01')
    robot.finish(60)
    sent = Counter(each.topic for each in read_ledger(ledger))
    first = finish(sent)
    assert {topic: len(messages) for topic, messages in first.items()} == sent

    finish = record('robot_02')
    replay = ros.start(
        'twinsight_replay', 'replay', '--bucket', store_settings.bucket, '--robot', 'robot_01',
        '--wait-for-subscribers', '20', '--json', '--start-paused', '--read-ahead', '500MB',
        **{URL_VARIABLE: store_settings.url}, **with_room,
    )
    resume_with(sent.total() // 2)
    report = json.loads(replay.finish(60))
    second = finish(sent)

    assert set(second) == set(first)
    late = {each['topic']: each['late_p99_ns'] for each in report['topics']}
    for topic, messages in first.items():
        again = second[topic]
        assert len(again) == len(messages), topic
        assert [each.data for each in again] == [each.data for each in messages], topic
        before_ns, after_ns = times(messages), times(again)
        published_ns = np.array([each.publish_ns for each in again])
        assert is_as_it_was(before_ns, after_ns, published_ns, late[topic]), topic
        if len(messages) >= SECONDS * 10:
            slower_ns = before_ns[0] + (before_ns - before_ns[0]) * 21 // 20
            assert not is_as_it_was(before_ns, slower_ns, slower_ns - 10**6, 10**7)
