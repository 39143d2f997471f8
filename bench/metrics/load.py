"""What is published: odometry and IMU topics at a rate that makes so many samples a second."""

from __future__ import annotations

from dataclasses import asdict, dataclass
import json
import struct
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu

from twinsight_recorder.metrics.ready_made import READY_MADE

ODOMETRY, IMU = 'nav_msgs/msg/Odometry', 'sensor_msgs/msg/Imu'
OF_EACH_TYPE = 20

_PLACEHOLDER = struct.pack('<d', 1.25e123)
_STAMP_AT = 4  # behind the four bytes that every serialized message begins with
_STAMP, _NUMBER = struct.Struct('<iI'), struct.Struct('<d')


@dataclass(frozen=True)
class Stream:
    """
    One topic; its metrics are those of the ready-made rules.

    counter  the metric that holds the number of the message, from 0
    """

    topic: str
    type_name: str
    metrics: tuple[str, ...]
    counter: str

    @property
    def names(self) -> list[str]:
        """Return the full names of its metrics."""
        return [f'{self.topic[1:]}.{metric}' for metric in self.metrics]

    @property
    def counter_name(self) -> str:
        """Return the full name of the metric that counts."""
        return f'{self.topic[1:]}.{self.counter}'


def _streams() -> tuple[Stream, ...]:
    odometry, imu = (tuple(READY_MADE[rule].metrics) for rule in ('odometry', 'imu'))
    return tuple(
        stream for number in range(OF_EACH_TYPE) for stream in (
            Stream(f'/bench/odom_{number:02}', ODOMETRY, odometry, 'x'),
            Stream(f'/bench/imu_{number:02}', IMU, imu, 'angular_velocity_x'),
        )
    )


STREAMS = _streams()

SAMPLES_A_ROUND = sum(len(stream.metrics) for stream in STREAMS)
"""Samples that one message of each topic makes."""


@dataclass(frozen=True)
class Load:
    """All topics, each at the same rate."""

    samples_per_s: float
    seconds: float

    @property
    def rate_hz(self) -> float:
        """Return the messages a second of each topic."""
        return self.samples_per_s / SAMPLES_A_ROUND

    @property
    def rounds(self) -> int:
        """Return how many messages each topic gets."""
        return max(1, round(self.rate_hz * self.seconds))

    @property
    def messages(self) -> int:
        """Return the messages of all topics."""
        return self.rounds * len(STREAMS)

    @property
    def samples(self) -> int:
        """Return the samples of all of them."""
        return self.rounds * SAMPLES_A_ROUND

    def to_json(self) -> str:
        """Return what from_json() reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Load:
        """Return the load that to_json() described."""
        return cls(**json.loads(text))


class CountedMessage:
    """A serialized message of a stream, with time and number filled in anew for each sending."""

    def __init__(self, stream: Stream) -> None:
        data = bytes(serialize_message(_MAKERS[stream.type_name]()))
        self._data = bytearray(data)
        self._at = data.index(_PLACEHOLDER)

    def fill(self, number: int, publish_ns: int) -> bytes:
        """Return the bytes to publish."""
        _STAMP.pack_into(self._data, _STAMP_AT, *divmod(publish_ns, 1_000_000_000))
        _NUMBER.pack_into(self._data, self._at, number)
        return bytes(self._data)


def _odometry() -> Any:
    message = Odometry(child_frame_id='base_link')
    message.header.frame_id = 'odom'
    message.pose.pose.position.x, = _NUMBER.unpack(_PLACEHOLDER)
    message.pose.pose.position.y = 2.5
    message.pose.pose.orientation.w = 1.0
    message.twist.twist.linear.x = 0.5
    return message


def _imu() -> Any:
    message = Imu()
    message.header.frame_id = 'imu_link'
    message.orientation.w = 1.0
    message.angular_velocity.x, = _NUMBER.unpack(_PLACEHOLDER)
    message.linear_acceleration.z = 9.81
    return message


_MAKERS = {ODOMETRY: _odometry, IMU: _imu}
