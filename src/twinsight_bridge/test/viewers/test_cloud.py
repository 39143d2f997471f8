"""A cloud of points over DDS and the bridge, as Foxglove Studio shows it."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_ros import RosDomain
from pytest_viewers import Show
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from tf2_msgs.msg import TFMessage
from twinsight_viewers.pictures import Picture
from twinsight_viewers.studio import Studio

PERIOD_S = 0.1
PANEL = '3D!points'


class Lidar:
    """
    A lidar in the middle of a robot, which sees a square ten times a second.

    robot_x   where the robot is on the map, m
    square_y  where the square is, as the lidar sees it, m
    """

    def __init__(self, ros: RosDomain, square: Any) -> None:
        self.robot_x = self.square_y = 0.0
        self._square = square
        self._node = ros.node('lidar')
        best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._points = self._node.create_publisher(PointCloud2, '/points', best_effort)
        self._frames = self._node.create_publisher(TFMessage, '/tf', 10)
        mount = self._node.create_publisher(TFMessage, '/tf_static', latched)
        mount.publish(square.frame(self._now_ns(), 'base_link', 'lidar'))
        self._node.create_timer(PERIOD_S, self._look)
        ros.serve(self._node)

    def _look(self) -> None:
        now_ns = self._now_ns()
        self._frames.publish(self._square.frame(now_ns, 'map', 'base_link', self.robot_x))
        self._points.publish(self._square.cloud(now_ns, self.square_y))

    def _now_ns(self) -> int:
        now_ns: int = self._node.get_clock().now().nanoseconds
        return now_ns


def wait_seen(shown: Studio, square: Any, x: float, y: float) -> Picture:
    """Return the picture once it shows the whole square at a place (m) of the map."""
    expected = pytest.approx((x, y, 2.0), abs=0.15)
    return shown.wait_for_pictures(
        lambda seen: bool(square.seen(seen[PANEL]) == expected), f'square at {x}, {y}'
    )[PANEL]


def test_studio_shows_a_cloud_that_moves(
    ros: RosDomain, bridge_url: str, studio: Show, square: Any
) -> None:
    lidar = Lidar(ros, square)
    shown = studio(bridge_url, {
        'configById': {PANEL: square.panel}, 'layout': PANEL, 'globalVariables': {},
        'userNodes': {}, 'playbackConfig': {'speed': 1},
    }, width=800, height=600)  # fmt: skip
    begin = wait_seen(shown, square, 0.0, 0.0)
    lidar.robot_x = 2.5
    driven = wait_seen(shown, square, 2.5, 0.0)
    lidar.square_y = -1.5
    moved = wait_seen(shown, square, 2.5, -1.5)
    for before, after in ((begin, driven), (driven, moved)):
        assert before.difference(after) > 0.03
    assert shown.problems() == []
