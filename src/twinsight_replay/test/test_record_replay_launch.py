"""
Record a simulated robot and replay it, all of it started by twinsight.launch.py.

Run it with `launch_test FILE`, or with pytest where launch_testing's plugin is active.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any
import unittest
from unittest.mock import patch

import pytest

NEEDS = 'needs launch_testing and launch_ros, which a ROS 2 install brings'
NEEDS_RUNNER = "runs under launch_test or launch_testing's pytest plugin only"
pytest.importorskip('launch_testing', reason=NEEDS)
pytest.importorskip('launch_ros', reason=NEEDS)

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'tools'))

from ament_index_python.packages import get_package_share_directory  # noqa: E402
from launch.actions import IncludeLaunchDescription  # noqa: E402
from launch.events.process import ProcessExited  # noqa: E402
from launch.launch_description import LaunchDescription  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
from launch.launch_service import LaunchService  # noqa: E402
from launch_testing import ActiveProcInfoHandler, post_shutdown_test, ProcInfoHandler  # noqa: E402
from launch_testing.actions import ReadyToTest  # noqa: E402
from launch_testing.asserts import assertExitCodes  # noqa: E402
import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import CompressedImage, LaserScan  # noqa: E402

from twinsight_interfaces.msg import RecorderStatus  # noqa: E402
from twinsight_store.errors import NothingMatchedError  # noqa: E402
from twinsight_store.read import read  # noqa: E402
from twinsight_store.selection import Selection  # noqa: E402
from twinsight_tools import reductstore  # noqa: E402
from twinsight_tools.ros_domain import own_ros_domain  # noqa: E402

ROBOT, MISSION = 'robot_05', 'shelf_run'
TOPICS = {'/scan': LaserScan, '/camera/front/image_raw/compressed': CompressedImage}
MESSAGES = 10  # of each topic, recorded and replayed
TIMEOUT_S = 60.0

_resources = ExitStack()  # the store and the environment, from the launch to the last test


def stack(**arguments: str) -> LaunchDescription:
    """Return the stack as another launch file would include it."""
    path = Path(get_package_share_directory('twinsight_launch'), 'twinsight.launch.py')
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(path)), launch_arguments=arguments.items()
            )
        ]
    )


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    """Start a store of the test's own, and record a simulated robot into it."""
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
    description = stack(robot_id=ROBOT, mission_id=MISSION, sim='true', metrics='false')
    description.add_action(ReadyToTest())
    return description


class Listener:
    """Keeps the messages of some topics as they come off the wire."""

    def __init__(self) -> None:
        rclpy.init()
        self._node = rclpy.create_node('test_record_replay')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def keep(self, topic: str, type_: type, *, raw: bool = True) -> list[Any]:
        """Return a list that grows by each message of the topic."""
        kept: list[Any] = []
        self._node.create_subscription(type_, topic, kept.append, qos_profile_sensor_data, raw=raw)
        return kept

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Listen until the condition holds; fail after TIMEOUT_S."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline_s, f'not seen in {TIMEOUT_S:.0f} s: {what}'
            checked_s = time.monotonic()
            while time.monotonic() < checked_s + 0.3:  # conditions may ask the store
                self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        """End the node."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown()


class TestRecordAndReplay(unittest.TestCase):
    """While recorder and simulated robot run."""

    def test_the_bytes_on_the_wire_are_recorded_and_replayed(
        self,
        launch_service: LaunchService | None = None,
        proc_info: ActiveProcInfoHandler | None = None,
    ) -> None:
        if launch_service is None or proc_info is None:
            self.skipTest(NEEDS_RUNNER)
        self.listener = Listener()
        self.addCleanup(self.listener.close)
        live = self.listen_to_all()
        status = self.listener.keep('/recorder/status', RecorderStatus, raw=False)
        self.listener.wait(
            lambda: all(len(common(recorded(topic), live[topic])) >= MESSAGES for topic in TOPICS),
            'messages in the store as they were on the wire',
        )
        self.listener.wait(
            lambda: bool(status) and self.has_stored(status[-1]), 'that in the recorder status'
        )

        replayed = self.listen_to_all('/replay')
        launch_service.include_launch_description(
            stack(
                recorder='false', metrics='false', sim='false', replay='true',
                replay_mission=MISSION, rate='2.0',
            )  # fmt: skip
        )
        self.listener.wait(lambda: 'replay' in ended(proc_info), 'the end of the replay')
        for topic, messages in replayed.items():
            self.assertGreaterEqual(len(messages), MESSAGES, topic)
            as_recorded = common(recorded(topic), messages) == messages
            self.assertTrue(as_recorded, f'{topic}: bytes and order as recorded')

    def listen_to_all(self, prefix: str = '') -> dict[str, list[bytes]]:
        """Return, by topic, lists that grow by each message."""
        return {
            topic: self.listener.keep(f'{prefix}{topic}', type_) for topic, type_ in TOPICS.items()
        }

    def has_stored(self, status: RecorderStatus) -> bool:
        """Return whether the recorder's status says that enough of each topic is stored."""
        stored = {topic.topic: topic.stored for topic in status.topics}
        return status.store == RecorderStatus.STORE_OK and all(
            stored.get(topic, 0) >= MESSAGES for topic in TOPICS
        )


def ended(proc_info: ActiveProcInfoHandler | ProcInfoHandler) -> list[str]:
    """Return the names of the processes that have ended, without the number launch gives."""
    return sorted(
        info.process_name.rsplit('-', 1)[0]
        for info in proc_info
        if isinstance(info, ProcessExited)
    )


def recorded(topic: str) -> list[bytes]:
    """Return the topic's messages that are in the store so far."""
    selection = Selection(robots=(ROBOT,), missions=(MISSION,), topics=(topic,))
    try:
        return [message.data for message in read(selection)]
    except NothingMatchedError:
        return []


def common(some: list[bytes], others: list[bytes]) -> list[bytes]:
    """Return, in the order of `some`, the messages that are also in `others`."""
    there = set(others)
    return [message for message in some if message in there]


@post_shutdown_test()
class TestAfterShutdown(unittest.TestCase):
    """After launch has stopped every process with SIGINT."""

    def test_every_process_ended_cleanly(self, proc_info: ProcInfoHandler | None = None) -> None:
        if proc_info is None:
            self.skipTest(NEEDS_RUNNER)
        self.addCleanup(_resources.close)
        assertExitCodes(proc_info)
        self.assertEqual(ended(proc_info), ['recorder', 'replay', 'sim_robot'])
