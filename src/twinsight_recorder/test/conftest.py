"""What the tests of a recorder that is controlled share."""

from __future__ import annotations

from dataclasses import replace
import signal
import threading
import time
from typing import Any

import pytest
from pytest_ros import wait_until
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from std_msgs.msg import UInt32

from twinsight_interfaces.msg import RecorderStatus, TopicStatus
from twinsight_store.connection import StoreSettings, URL_VARIABLE
from twinsight_store.errors import NothingMatchedError
from twinsight_store.message import Message
from twinsight_store.read import read
from twinsight_store.selection import Selection
from twinsight_tools.private import PrivateServer

DEEP = QoSProfile(depth=5000, reliability=ReliabilityPolicy.RELIABLE)


class Stream:
    """
    Publishes 0, 1, 2, … on topics at a rate, in a thread, until the block ends.

    published_ns  Unix time before each number was published
    """

    def __init__(self, publishers: list[Publisher], rate_hz: float) -> None:
        self.published_ns: list[int] = []
        self._publishers = publishers
        self._period_s = 1 / rate_hz
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def count(self) -> int:
        """Return how many numbers were published."""
        return len(self.published_ns)

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        begin_s = time.monotonic()
        while not self._stop.is_set():
            number = self.count
            time.sleep(max(0.0, begin_s + number * self._period_s - time.monotonic()))
            self.published_ns.append(time.time_ns())
            for publisher in self._publishers:
                publisher.publish(UInt32(data=number))


class Feed:
    """
    Publishes numbered messages of some size (std_msgs/String), in a thread.

    It ends after ``most`` messages, and with the block; first is the first one's number.
    published_ns: Unix time before each.
    """

    def __init__(
        self, publisher: Publisher, size: int, rate_hz: float, most: int = 1_000_000,
        first: int = 0,
    ) -> None:
        self.first = first
        self.topic = publisher.topic_name
        self.published_ns: list[int] = []
        self._publisher = publisher
        self._size = size
        self._period_s = 1 / rate_hz
        self._most = most
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def bytes_of(self, number: int) -> bytes:
        """Return a message as it is published."""
        text = f'{number:08d}'.encode() + bytes([97 + number % 26]) * (self._size - 9) + b'\0'
        padding = bytes(-len(text) % 4)
        return b'\x00\x01\x00\x00' + len(text).to_bytes(4, 'little') + text + padding

    def number_in(self, data: bytes) -> int:
        """Return a stored message's number; its bytes have to be those that were published."""
        number = int(data[8:16])
        assert data == self.bytes_of(number)
        return number

    def begin(self) -> Feed:
        """Start to publish."""
        self._thread.start()
        return self

    def join(self) -> None:
        """Return when it has published all."""
        self._thread.join()

    def end(self) -> None:
        """Publish no more."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Feed:
        return self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()

    def _run(self) -> None:
        begin_s = time.monotonic()
        for number in range(self._most):
            wait_s = begin_s + number * self._period_s - time.monotonic()
            if self._stop.wait(max(0.0, wait_s)):
                return
            data = self.bytes_of(self.first + number)
            self.published_ns.append(time.time_ns())
            self._publisher.publish(data)


class Bench:
    """
    A robot's node, and a recorder beside it that stores into a bucket of the test's own.

    The node is served in a thread.

    statuses  all that the recorder published
    """

    def __init__(self, ros: Any, settings: StoreSettings) -> None:
        self.ros = ros
        self.settings = settings
        self.node = ros.node('robot')
        self.statuses: list[RecorderStatus] = []
        self.node.create_subscription(
            RecorderStatus, '/recorder/status', self.statuses.append, 100
        )
        ros.serve(self.node)

    def start(self, *extra: str, **parameters: object) -> Any:
        """Start a recorder; ``extra`` are further ROS arguments."""
        given = {
            'robot_id': 'robot_05', 'mission_id': 'A', 'store.bucket': self.settings.bucket,
            **parameters,
        }
        words = [word for name, value in given.items() for word in ('-p', f'{name}:={value}')]
        return self.ros.start(
            'twinsight_recorder', 'recorder', '--ros-args', *words, *extra,
            **{URL_VARIABLE: self.settings.url},
        )

    def publisher(self, topic: str, kind: type = UInt32, qos: QoSProfile = DEEP) -> Publisher:
        """Return a publisher of numbers, or of another type."""
        return self.node.create_publisher(kind, topic, qos)

    def wait_for_subscriber(self, *publishers: Publisher) -> None:
        """Return when the recorder is subscribed to each."""
        wait_until(lambda: all(each.get_subscription_count() for each in publishers))

    def topic(self, name: str, status: RecorderStatus | None = None) -> TopicStatus:
        """Return a topic's numbers in a status, by default in the newest; zeros if absent."""
        status = status or (self.statuses[-1] if self.statuses else RecorderStatus())
        for each in status.topics:
            if each.topic == name:
                return each
        return TopicStatus(topic=name)

    def wait_until_received(self, name: str, messages: int) -> None:
        """Return when the recorder says that it has received so many of a topic."""
        wait_until(lambda: self.topic(name).received == messages)

    def publish(self, publisher: Publisher, numbers: range, pause_s: float = 0.002) -> None:
        """Publish numbers."""
        for number in numbers:
            publisher.publish(UInt32(data=number))
            time.sleep(pause_s)

    def publish_received(self, publisher: Publisher, numbers: range) -> None:
        """Publish numbers, and return when the recorder says that it has received them."""
        before = self.topic(publisher.topic_name).received
        self.publish(publisher, numbers)
        self.wait_until_received(publisher.topic_name, before + len(numbers))

    def ask(self, name: str, kind: Any, **fields: object) -> Any:
        """Return the answer of one of the recorder's services."""
        return self.ros.call(self.node, f'/recorder/{name}', kind, **fields)

    def do(self, name: str, kind: Any, **fields: object) -> Any:
        """Ask for something that the recorder must do, and return its answer."""
        answer = self.ask(name, kind, **fields)
        assert answer.success, answer.message
        return answer

    def stored(self, topic: str, **selection: Any) -> list[Message]:
        """Return a topic's stored messages in order of time; a selection may choose."""
        chosen = Selection(topics=(topic,), **selection)
        try:
            return list(read(chosen, self.settings))
        except NothingMatchedError:
            return []

    def numbers(self, topic: str, **selection: Any) -> list[int]:
        """Return the numbers that are stored of a topic, in order of time."""
        return [
            deserialize_message(message.data, UInt32).data
            for message in self.stored(topic, **selection)
        ]

    def end(self, recorder: Any) -> None:
        """End the recorder, which must store all that it accepted; its last status is there."""
        seen = len(self.statuses)
        assert recorder.end(20, ask=signal.SIGINT) == 0, recorder.text()
        if seen:
            wait_until(
                lambda: len(self.statuses) > seen
                and self.statuses[-1].mode == RecorderStatus.MODE_STOPPED
            )


@pytest.fixture
def bench(ros: Any, store_settings: StoreSettings) -> Bench:
    """Give a robot's node and a bucket, for a recorder that the test starts."""
    return Bench(ros, store_settings)


@pytest.fixture
def own_bench(
    ros: Any, store_settings: StoreSettings, reduct_server: PrivateServer
) -> Bench:
    """Give a robot's node, and a server of the test's own that it may end."""
    return Bench(ros, replace(store_settings, url=reduct_server.url))


@pytest.fixture
def feed() -> type[Feed]:
    """Return the class that publishes numbered messages of some size."""
    return Feed


@pytest.fixture
def stream() -> type[Stream]:
    """Return the class that publishes numbers at a rate."""
    return Stream
