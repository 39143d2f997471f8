"""What the tests of recorded data in viewers share: a drive in ReductStore."""

from __future__ import annotations

from array import array
import asyncio
from collections.abc import Mapping
from typing import Any
import uuid

from nav_msgs.msg import Odometry
import pytest
from rclpy.serialization import serialize_message
from rclpy.time import Time
from sensor_msgs.msg import Image

from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.connection import connect, StoreSettings, URL_VARIABLE
from twinsight_store.history.postgres import URL_VARIABLE as POSTGRES_URL_VARIABLE
from twinsight_store.layout import Record
from twinsight_store.live.connection import URL_VARIABLE as REDIS_URL_VARIABLE
from twinsight_store.message_definition import definition
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.sensor_types import sensor_type_of
from twinsight_store.writer import batches, StoreWriter
from twinsight_tools.private import PrivateServer

START_NS = 1_700_000_000_000_000_000


class Stored:
    """
    Ten seconds of robot_05 in a bucket: 100 steps, each with a message of each topic.

    It drives from x = -4 m to 4 m, and what its camera sees turns from red to blue.

    environment  where the store is, with no other beside it
    messages     topic, time of receipt (Unix, ns) and CDR of each, in order of time
    """

    robot, steps, step_ns = 'robot_05', 100, 100_000_000
    pixels = 320 * 240
    types: Mapping[str, str] = {
        '/camera': 'sensor_msgs/msg/Image', '/odom': 'nav_msgs/msg/Odometry',
        '/points': 'sensor_msgs/msg/PointCloud2', '/tf': 'tf2_msgs/msg/TFMessage',
    }  # fmt: skip

    def __init__(self, settings: StoreSettings, square: Any) -> None:
        self.settings = settings
        self.environment = {
            URL_VARIABLE: settings.url, POSTGRES_URL_VARIABLE: '', REDIS_URL_VARIABLE: '',
        }  # fmt: skip
        self.messages: list[tuple[str, int, bytes]] = []
        for step in range(self.steps):
            at_ns = self.at_ns(step)
            odom = Odometry()
            odom.header.stamp = Time(nanoseconds=at_ns).to_msg()
            odom.pose.pose.position.x = self.x(step)
            image = Image(width=320, height=240, step=960, encoding='rgb8', header=odom.header)
            image.data = array('B', bytes(self.colour(step)) * self.pixels)
            frame = square.frame(at_ns, 'map', 'lidar', self.x(step))
            for topic, message in (
                ('/tf', frame), ('/odom', odom), ('/camera', image),
                ('/points', square.cloud(at_ns)),
            ):
                self.messages.append((topic, at_ns, serialize_message(message)))
        asyncio.run(self._store())

    def at_ns(self, step: int) -> int:
        """Return when the messages of a step were received and stamped."""
        return START_NS + step * self.step_ns

    @staticmethod
    def x(step: int) -> float:
        """Return where the robot is, m."""
        return step * 0.08 - 4

    @staticmethod
    def colour(step: int) -> tuple[int, int, int]:
        """Return what colour the whole image has."""
        return 250 - 2 * step, 40, 40 + 2 * step

    def of(self, topic: str) -> list[tuple[int, bytes]]:
        """Return time and CDR of what was recorded on a topic."""
        return [(at_ns, data) for name, at_ns, data in self.messages if name == topic]

    async def _store(self) -> None:
        """Store the messages as the recorder does."""
        records: list[Record] = []
        for topic, kind in self.types.items():
            builder = RecordBuilder(
                self.robot, Channel(topic, kind, *definition(kind)),
                label.record_labels(self.robot, 'mission_42', sensor_type_of(kind)), ChunkRules(),
            )
            for number, (at_ns, data) in enumerate(self.of(topic)):
                records += builder.add(at_ns, at_ns, number, data)
            records += builder.flush()
        async with connect(self.settings) as connection:
            writer = StoreWriter(await connection.bucket(create=True), self.settings)
            for batch in batches(records):
                assert not (await writer.write(batch)).refused


@pytest.fixture(scope='session')
def stored(shared_reduct_server: PrivateServer, square: Any) -> Stored:
    """Return a drive in a bucket of its own."""
    bucket = f'test-{uuid.uuid4().hex[:12]}'
    return Stored(StoreSettings(shared_reduct_server.url, bucket=bucket), square)
