"""
Replay a stored incident into a node, and check what the node does: a recipe to copy.

1. Start the node under test, and beside it `replay` with the robot, mission and time of the
   incident: paused, so that nothing is played before the test listens.
2. Listen to what the node is to do; then call the service /replay/resume.
3. Compare by the stamps of the messages. They are those of the incident, whatever the speed of
   the machine or of the replay, so the same test gives the same result everywhere.

In your test the incident lies in your store, and TWINSIGHT_REDUCT_URL says where. Here the test
has a store of its own, into which it writes one.

Run it with `launch_test FILE`, or with pytest where launch_testing's plugin is active.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
import time
import unittest
from unittest.mock import patch

import pytest

NEEDS = 'needs launch_testing and launch_ros, which a ROS 2 install brings'
NEEDS_RUNNER = "runs under launch_test or launch_testing's pytest plugin only"
pytest.importorskip('launch_testing', reason=NEEDS)
pytest.importorskip('launch_ros', reason=NEEDS)

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'tools'))

from builtin_interfaces.msg import Time  # noqa: E402
from geometry_msgs.msg import TwistStamped  # noqa: E402
from launch.actions import ExecuteProcess  # noqa: E402
from launch.events.process import ProcessExited  # noqa: E402
from launch.launch_description import LaunchDescription  # noqa: E402
from launch_ros.actions import Node  # noqa: E402
from launch_testing import ActiveProcInfoHandler, post_shutdown_test, ProcInfoHandler  # noqa: E402
from launch_testing.actions import ReadyToTest  # noqa: E402
from launch_testing.asserts import assertExitCodes  # noqa: E402
import rclpy  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from rosbag2_interfaces.srv import Resume  # noqa: E402
from sensor_msgs.msg import LaserScan  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from twinsight_store import labels  # noqa: E402
from twinsight_store.channel import Channel  # noqa: E402
from twinsight_store.connection import connect, StoreSettings  # noqa: E402
from twinsight_store.message_definition import definition  # noqa: E402
from twinsight_store.record_builder import ChunkRules, RecordBuilder  # noqa: E402
from twinsight_store.writer import batches, StoreWriter  # noqa: E402
from twinsight_tools import reductstore  # noqa: E402
from twinsight_tools.ros_domain import own_ros_domain  # noqa: E402

ROBOT, MISSION = 'robot_05', 'incident_7'
FIRST_S = 1_763_900_000  # Unix time of the first scan; one each tenth of a second
SCANS = 40
CLOSE_AFTER_S = 2.5  # from here on something stands 0.3 m ahead
TIMEOUT_S = 60.0

_resources = ExitStack()  # the store and the environment, from the launch to the last test


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    """Start the node under test, and the replay of the incident."""
    program = reductstore.find()
    if program is None:
        raise unittest.SkipTest('ReductStore is not installed: run `make setup`')
    folder = _resources.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
    server = _resources.enter_context(reductstore.running(program, Path(folder, 'store')))
    own = {
        'TWINSIGHT_REDUCT_URL': server.url,
        'ROS_DOMAIN_ID': str(_resources.enter_context(own_ros_domain())),
        'ROS_HOME': str(Path(folder, 'ros')),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    }
    _resources.enter_context(patch.dict(os.environ, own))
    asyncio.run(store_incident(StoreSettings(server.url)))
    guard = Path(__file__).parent / 'incident' / 'collision_guard.py'
    return LaunchDescription([
        ExecuteProcess(cmd=[sys.executable, str(guard)], name='guard', output='screen'),
        Node(
            package='twinsight_replay', executable='replay', output='screen',
            arguments=[
                '--robot', ROBOT, '--mission', MISSION, '--start-paused',
                '--wait-for-subscribers', f'{TIMEOUT_S:.0f}', '--no-metrics',
            ],
        ),
        ReadyToTest(),
    ])


class TestGuardStopsBeforeTheObstacle(unittest.TestCase):
    """What the node under test does while the incident plays."""

    def test_it_says_stop_once_at_the_third_scan_that_is_close(
        self, proc_info: ActiveProcInfoHandler | None = None
    ) -> None:
        if proc_info is None:
            self.skipTest(NEEDS_RUNNER)
        rclpy.init()
        node = rclpy.create_node('test_incident')
        stops: list[TwistStamped] = []
        node.create_subscription(TwistStamped, '/stop', stops.append, 10)
        resume = node.create_client(Resume, '/replay/resume')
        self.assertTrue(resume.wait_for_service(TIMEOUT_S))
        wait_for_publisher(node, '/stop')
        resumed = resume.call_async(Resume.Request())
        rclpy.spin_until_future_complete(node, resumed, timeout_sec=TIMEOUT_S)
        end_s = time.monotonic() + TIMEOUT_S
        while 'replay' not in ended(proc_info) and time.monotonic() < end_s:
            rclpy.spin_once(node, timeout_sec=0.1)
        rclpy.shutdown()
        self.assertIn('replay', ended(proc_info))
        third = stamp_of(round(CLOSE_AFTER_S * 10) + 2)
        self.assertEqual([stop.header.stamp for stop in stops], [third])
        self.assertEqual([stop.twist.linear.x for stop in stops], [0.0])


@post_shutdown_test()
class TestExit(unittest.TestCase):
    """What is left when all have ended."""

    def test_all_ended_well(self, proc_info: ProcInfoHandler | None = None) -> None:
        if proc_info is None:
            self.skipTest(NEEDS_RUNNER)
        self.addCleanup(_resources.close)
        assertExitCodes(proc_info)


def ended(proc_info: ActiveProcInfoHandler) -> list[str]:
    """Return the names of the processes that have ended, without the number launch gives."""
    return [
        info.process_name.rsplit('-', 1)[0]
        for info in proc_info
        if isinstance(info, ProcessExited)
    ]


def wait_for_publisher(node: rclpy.node.Node, topic: str) -> None:
    """Return when somebody publishes a topic."""
    end_s = time.monotonic() + TIMEOUT_S
    while not node.count_publishers(topic):
        assert time.monotonic() < end_s, f'nobody publishes {topic}'
        rclpy.spin_once(node, timeout_sec=0.1)


def stamp_of(number: int) -> Time:
    """Return the stamp of a scan."""
    return Time(sec=FIRST_S + number // 10, nanosec=number % 10 * 100_000_000)


async def store_incident(settings: StoreSettings) -> None:
    """Write the incident: a robot that drives until something stands before it."""
    encoding, text = definition('sensor_msgs/msg/LaserScan')
    channel = Channel('/scan', 'sensor_msgs/msg/LaserScan', encoding, text)
    builder = RecordBuilder(ROBOT, channel, labels.record_labels(ROBOT, MISSION), ChunkRules())
    records = []
    for number in range(SCANS):
        distance = 0.3 if number >= CLOSE_AFTER_S * 10 else 4.0 - number * 0.05
        scan = LaserScan(
            header=Header(stamp=stamp_of(number), frame_id='lidar'), range_min=0.1,
            ranges=[6.0] * 45 + [distance] + [6.0] * 45,
        )
        receive_ns = FIRST_S * 10**9 + number * 100_000_000
        records += builder.add(receive_ns, receive_ns, number, serialize_message(scan))
    async with connect(settings) as connection:
        writer = StoreWriter(await connection.bucket(create=True), settings)
        for batch in batches(records + builder.flush()):
            await writer.write(batch)
