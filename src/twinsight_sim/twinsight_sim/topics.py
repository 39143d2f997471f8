"""The topics of the robot: names, types and what delivery they ask for."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid, Odometry
from sensor_msgs.msg import BatteryState, CameraInfo, CompressedImage, Imu, LaserScan
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage


class Delivery(Enum):
    """Quality of service as drivers of real robots have it."""

    SENSOR = 'best effort, volatile'
    RELIABLE = 'reliable, volatile'
    LATCHED = 'reliable, transient local'


class Topic(NamedTuple):
    """
    A topic of the robot.

    ``sensor`` names the rate that drives it, None for those sent once. ``same_layout`` says
    that its messages differ in numbers and in the length of the last field only.
    """

    name: str
    type: type
    delivery: Delivery
    sensor: str | None
    same_layout: bool = True


TOPICS = {
    'map': Topic('map', OccupancyGrid, Delivery.LATCHED, None),
    'tf_static': Topic('/tf_static', TFMessage, Delivery.LATCHED, None),
    'description': Topic('robot_description', String, Delivery.LATCHED, None),
    'tf': Topic('/tf', TFMessage, Delivery.RELIABLE, 'tf'),
    'odom': Topic('odom', Odometry, Delivery.RELIABLE, 'odom'),
    'imu': Topic('imu/data', Imu, Delivery.SENSOR, 'imu'),
    'scan': Topic('scan', LaserScan, Delivery.SENSOR, 'scan'),
    'image': Topic('camera/front/image_raw/compressed', CompressedImage, Delivery.SENSOR,
                   'camera'),
    'camera_info': Topic('camera/front/camera_info', CameraInfo, Delivery.SENSOR, 'camera'),
    'costmap': Topic('local_costmap/costmap', OccupancyGrid, Delivery.RELIABLE, 'costmap'),
    'battery': Topic('battery_state', BatteryState, Delivery.RELIABLE, 'battery'),
    'state': Topic('state', String, Delivery.RELIABLE, 'state', same_layout=False),
    'diagnostics': Topic('diagnostics', DiagnosticArray, Delivery.RELIABLE, 'diagnostics',
                         same_layout=False),
}
"""Relative names follow the namespace. ``/tf`` and ``/tf_static`` are global, as tf2 has them:
several robots either share one tree (``frame_prefix``) or have one each, as nav2 does it, with
the remappings ``/tf:=tf`` and ``/tf_static:=tf_static``."""


def type_name(topic: Topic) -> str:
    """Return the type as ROS writes it, for example ``sensor_msgs/msg/Imu``."""
    module = topic.type.__module__.split('.')
    return f'{module[0]}/{module[1]}/{topic.type.__name__}'
