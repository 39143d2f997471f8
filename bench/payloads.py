"""Messages of realistic types and sizes, filled with what does not compress."""

from __future__ import annotations

import array
from collections.abc import Callable
import os
import random
import struct
from typing import Any

from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.serialization import serialize_message
from sensor_msgs.msg import BatteryState, CompressedImage, Imu, LaserScan, PointCloud2, PointField
from std_msgs.msg import UInt8MultiArray
from tf2_msgs.msg import TFMessage

from . import loads
from .loads import Stream
from .marks import MarkedMessage, PLACEHOLDER

POOL_BYTES = 2_000_000
"""Different messages of a topic take this much, so that a chunk does not hold one twice."""

LARGEST_POOL = 5_000

_DOUBLES = struct.unpack('<4d', PLACEHOLDER)
_FLOATS = struct.unpack('<8f', PLACEHOLDER)


def pool(stream: Stream) -> list[MarkedMessage]:
    """Return some different messages of the stream, each with a mark."""
    first = _serialized(stream)
    count = min(max(POOL_BYTES // len(first), 2), LARGEST_POOL)
    return [MarkedMessage(first), *(
        MarkedMessage(_serialized(stream)) for _ in range(count - 1)
    )]


def size_of(stream: Stream) -> int:
    """Return the bytes of one serialized message of the stream."""
    return len(_serialized(stream))


def _serialized(stream: Stream) -> bytes:
    make = _MAKERS[stream.type_name]
    if stream.size_bytes == 0:
        return bytes(serialize_message(make(0)))
    # What the fields beside the payload take is found by trying.
    spare = len(serialize_message(make(len(PLACEHOLDER)))) - len(PLACEHOLDER)
    wanted = (stream.size_bytes - spare) // 4 * 4
    return bytes(serialize_message(make(max(wanted, len(PLACEHOLDER)))))


def _random_bytes(size: int) -> array.array[int]:
    return array.array('B', PLACEHOLDER + os.urandom(size - len(PLACEHOLDER)))


def _random_floats(count: int) -> list[float]:
    return [random.gauss(0.0, 1.0) for _ in range(count)]


def _bytes(size: int) -> Any:
    return UInt8MultiArray(data=_random_bytes(size))


def _image(size: int) -> Any:
    message = CompressedImage(format='jpeg', data=_random_bytes(size))
    message.header.frame_id = 'camera_front_optical'
    return message


def _cloud(size: int) -> Any:
    names = ('x', 'y', 'z', 'intensity')
    fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate(names)
    ]
    message = PointCloud2(
        height=1, width=size // 16, fields=fields, point_step=16, row_step=size,
        data=_random_bytes(size), is_dense=True,
    )
    message.header.frame_id = 'lidar'
    return message


def _scan(size: int) -> Any:
    ranges = [*_FLOATS, *_random_floats(size // 4 - len(_FLOATS))]
    message = LaserScan(
        angle_min=-3.14, angle_max=3.14, angle_increment=6.28 / len(ranges), range_max=30.0,
        ranges=ranges,
    )
    message.header.frame_id = 'laser'
    return message


def _odometry(_: int) -> Any:
    message = Odometry(child_frame_id='base_link')
    message.header.frame_id = 'odom'
    message.pose.covariance = [*_DOUBLES, *_random_floats(32)]
    message.twist.covariance = _random_floats(36)
    return message


def _imu(_: int) -> Any:
    message = Imu(
        orientation_covariance=[*_DOUBLES, *_random_floats(5)],
        angular_velocity_covariance=_random_floats(9),
        linear_acceleration_covariance=_random_floats(9),
    )
    message.header.frame_id = 'imu_link'
    return message


def _tf(_: int) -> Any:
    transforms: list[TransformStamped] = []
    for child in ('base_link', 'wheel_left', 'wheel_right'):
        transform = TransformStamped(child_frame_id=child)
        transform.header.frame_id = 'odom'
        translation, rotation = transform.transform.translation, transform.transform.rotation
        numbers = _random_floats(7) if transforms else [*_DOUBLES, *_random_floats(3)]
        translation.x, translation.y, translation.z = numbers[:3]
        rotation.x, rotation.y, rotation.z, rotation.w = numbers[3:]
        transforms.append(transform)
    return TFMessage(transforms=transforms)


def _battery(_: int) -> Any:
    message = BatteryState(voltage=25.1, percentage=0.5, cell_voltage=_FLOATS)
    message.header.frame_id = 'battery'
    return message


_MAKERS: dict[str, Callable[[int], Any]] = {
    loads.BYTES: _bytes,
    loads.IMAGE: _image,
    loads.CLOUD: _cloud,
    loads.SCAN: _scan,
    loads.ODOMETRY: _odometry,
    loads.IMU: _imu,
    loads.TF: _tf,
    loads.BATTERY: _battery,
}
