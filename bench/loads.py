"""What is published: topics with their types, sizes and rates, and how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
import json

HISTORY_S = 2.0
SECONDS = 5.0
ROBOT_SECONDS = 60.0

BYTES = 'std_msgs/msg/UInt8MultiArray'
IMAGE = 'sensor_msgs/msg/CompressedImage'
CLOUD = 'sensor_msgs/msg/PointCloud2'
SCAN = 'sensor_msgs/msg/LaserScan'
ODOMETRY = 'nav_msgs/msg/Odometry'
IMU = 'sensor_msgs/msg/Imu'
TF = 'tf2_msgs/msg/TFMessage'
BATTERY = 'sensor_msgs/msg/BatteryState'

SWEEP_SIZES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
SWEEP_START_HZ = (10_000.0, 10_000.0, 5_000.0, 1_000.0, 100.0, 8.0)
"""Where the search for the highest lossless rate begins, for each of the sizes."""


@dataclass(frozen=True)
class Stream:
    """
    One topic.

    size_bytes  of a serialized message, 0 for what a type has by itself
    rate_hz     messages a second
    """

    topic: str
    type_name: str
    size_bytes: int
    rate_hz: float
    reliable: bool = True


@dataclass(frozen=True)
class Load:
    """
    Some topics, published for so many seconds.

    history_s  the last seconds of a reliable topic that its publisher keeps for repairs
    """

    name: str
    title: str
    seconds: float
    streams: tuple[Stream, ...]
    history_s: float = HISTORY_S

    @property
    def asked(self) -> int:
        """Return how many messages it has."""
        return sum(round(stream.rate_hz * self.seconds) for stream in self.streams)

    @property
    def rate_hz(self) -> float:
        """Return the messages a second of all topics."""
        return sum(stream.rate_hz for stream in self.streams)

    def lasting(self, seconds: float) -> Load:
        """Return the same load for another time."""
        return replace(self, seconds=seconds)

    def to_json(self) -> str:
        """Return what from_json() reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Load:
        """Return the load that to_json() described."""
        fields = json.loads(text)
        fields['streams'] = tuple(Stream(**stream) for stream in fields['streams'])
        return cls(**fields)


def _load(name: str, title: str, *streams: Stream, seconds: float = SECONDS) -> Load:
    return Load(name, title, seconds, streams)


def _robot() -> Iterable[Stream]:
    yield Stream('/bench/camera/front/compressed', IMAGE, 200_000, 30.0)
    yield Stream('/bench/camera/rear/compressed', IMAGE, 200_000, 30.0)
    yield Stream('/bench/points', CLOUD, 1_000_000, 10.0)
    yield Stream('/bench/scan', SCAN, 6_000, 40.0)
    yield Stream('/bench/odom', ODOMETRY, 0, 50.0)
    yield Stream('/bench/imu', IMU, 0, 200.0)
    yield Stream('/bench/tf', TF, 0, 100.0)
    yield Stream('/bench/battery', BATTERY, 0, 1.0)


LOADS = (
    _load('big', '1 MB × 200 Hz', Stream('/bench/big', BYTES, 1_000_000, 200.0)),
    _load('small', '1 kB × 20,000 Hz', Stream('/bench/small', BYTES, 1_000, 20_000.0)),
    _load(
        'many', '50 topics × 200 Hz × 1 kB',
        *(Stream(f'/bench/many_{number:02}', BYTES, 1_000, 200.0) for number in range(50)),
    ),
    _load(
        'cloud2', 'best-effort cloud 2 MB × 20 Hz',
        Stream('/bench/points', CLOUD, 2_000_000, 20.0, reliable=False),
    ),
    _load(
        'cloud6', 'best-effort cloud 6 MB × 10 Hz',
        Stream('/bench/points', CLOUD, 6_000_000, 10.0, reliable=False),
    ),
    _load('robot', 'standard robot', *_robot(), seconds=ROBOT_SECONDS),
)


def size_text(size: int) -> str:
    """Return a size as people write it."""
    for unit, factor in (('MB', 1_000_000), ('kB', 1_000)):
        if size >= factor:
            return f'{size / factor:g} {unit}'
    return f'{size} B'


def of_size(size_bytes: int, rate_hz: float, seconds: float) -> Load:
    """Return one reliable topic of that size and rate."""
    stream = Stream('/bench/sweep', BYTES, size_bytes, rate_hz)
    return Load('sweep', f'{size_text(size_bytes)} × {rate_hz:,.0f} Hz', seconds, (stream,))
