"""What the tests of a recorder that is controlled share."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
import re
import signal
import threading
import time
from typing import Any, NamedTuple

import pytest
from pytest_ros import wait_until
from rclpy.duration import Duration
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
_SPOOL_TAIL_BYTES = 4_000_000


class Passage(NamedTuple):
    """Unix times (ns) between which a message came to the recorder."""

    published_ns: int
    acked_ns: int


class Counts(NamedTuple):
    """What became of a topic's messages, as a recorder says at its end."""

    received: int
    stored: int
    lost: int
    dropped: int
    refused: int
    rate_limited: int
    left_out: int
    in_spool: int


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
            self._publish(number)

    def _publish(self, number: int) -> None:
        self.published_ns.append(time.time_ns())
        for publisher in self._publishers:
            publisher.publish(UInt32(data=number))


class Steps(Stream):
    """
    Publishes as Stream does, each number once the one before it came.

    Its publishers keep one message: DDS then asks at each whether it came, else every 3 s.

    passages  when each number came
    """

    def __init__(self, publishers: list[Publisher], rate_hz: float) -> None:
        super().__init__(publishers, rate_hz)
        self.passages: list[Passage] = []

    @property
    def count(self) -> int:
        """Return how many numbers came."""
        return len(self.passages)

    def wait_until_after(self, time_ns: int) -> None:
        """Return when a number came that was published after a Unix time."""
        wait_until(lambda: self.passages and self.passages[-1].published_ns > time_ns)

    def _publish(self, number: int) -> None:
        self.passages.append(Bench.deliver(UInt32(data=number), *self._publishers))


class Feed:
    """
    Publishes numbered messages of some size (std_msgs/String), in a thread.

    It ends after ``most`` messages, and with the block; first is the first one's number.
    published_ns: Unix time before each. A gate may hold them back, whatever the rate.
    """

    def __init__(
        self, publisher: Publisher, size: int, rate_hz: float, most: int = 1_000_000,
        first: int = 0, gate: SpoolGate | None = None,
    ) -> None:
        self.first = first
        self.size = size
        self.topic = publisher.topic_name
        self.published_ns: list[int] = []
        self._publisher = publisher
        self._gate = gate
        self._period_s = 1 / rate_hz
        self._most = most
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def bytes_of(self, number: int) -> bytes:
        """Return a message as it is published."""
        text = f'{number:08d}'.encode() + bytes([97 + number % 26]) * (self.size - 9) + b'\0'
        padding = bytes(-len(text) % 4)
        return b'\x00\x01\x00\x00' + len(text).to_bytes(4, 'little') + text + padding

    def newest_in(self, tail: bytes) -> int | None:
        """Return the number of the last message in the end of a file; None where there is none."""
        begin = re.escape(self.bytes_of(0)[:8])
        found = re.findall(begin + rb'(\d{8})', tail)
        return int(found[-1]) if found else None

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
            if self._gate is not None and not self._gate.opens(self, self._stop):
                return
            data = self.bytes_of(self.first + number)
            self.published_ns.append(time.time_ns())
            self._publisher.publish(data)


class SpoolGate:
    """
    Holds feeds back while more than some bytes of them are not in the recorder's spool yet.

    However long the machine holds the recorder up: what it then takes in at once fits into its
    memory. It serves several feeds, as long as one recorder has them.
    """

    def __init__(self, bench: Bench, most_bytes: int) -> None:
        self._bench = bench
        self._most_bytes = most_bytes
        self._published: Counter[tuple[str, int]] = Counter()
        self._in_hand = 0
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def opens(self, feed: Feed, stop: threading.Event) -> bool:
        """Return True when the next message of a feed may go, False where the feed is to end."""
        while not self._lets_through(feed):
            if stop.wait(0.005):
                return False
        return True

    def _lets_through(self, feed: Feed) -> bool:
        with self._lock:
            ahead = sum(size * count for (_, size), count in self._published.items()) + feed.size
            if ahead - self._in_hand > self._most_bytes:
                self._in_hand = self._look()
            if ahead - self._in_hand > self._most_bytes:
                return False
            self._published[feed.topic, feed.size] += 1
            return True

    def _look(self) -> int:
        """Return how many bytes came into the spool, those that left it for the store too."""
        for path in self._bench.spool.glob('*.spool'):
            with suppress(FileNotFoundError):
                self._sizes[path.name] = max(self._sizes.get(path.name, 0), path.stat().st_size)
        stored = sum(self._bench.topic(topic).stored * size for topic, size in self._published)
        return max(sum(self._sizes.values()), stored)  # what passed unseen is stored


class Bench:
    """
    A robot's node, and a recorder beside it that stores into a bucket of the test's own.

    The node is served in a thread.

    statuses  all that the recorder published
    spool     folder of the recorder that was started last
    """

    def __init__(self, ros: Any, settings: StoreSettings) -> None:
        self.ros = ros
        self.settings = settings
        self.node = ros.node('robot')
        self.statuses: list[RecorderStatus] = []
        self.spool = ros.folder / 'ros' / 'twinsight' / 'spool' / 'robot_05' / 'recorder'
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
        self.spool = Path(str(given.get('spool.folder', self.spool)))
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

    def spooled(self, feed: Feed) -> int:
        """Return how many messages of a feed the recorder has on disk, those it left too."""
        for path in sorted(self.spool.glob('*.spool'), reverse=True):
            with suppress(FileNotFoundError), path.open('rb') as file:
                file.seek(max(0, path.stat().st_size - _SPOOL_TAIL_BYTES))
                newest = feed.newest_in(file.read())
                if newest is not None:
                    return newest + 1 - feed.first
        return 0

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

    @staticmethod
    def deliver(message: Any, *publishers: Publisher) -> Passage:
        """Publish a message where DDS keeps one at a time (depth 1); return when it came."""
        published_ns, end = time.time_ns(), time.monotonic() + 30
        for publisher in publishers:
            publisher.publish(message)
        while not all(each.wait_for_all_acked(Duration(nanoseconds=1)) for each in publishers):
            assert time.monotonic() < end, 'a message did not come in time'
            time.sleep(0.001)
        return Passage(published_ns, time.time_ns())

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
        """End the recorder, which must store all that it accepted."""
        assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()

    def counts(self, recorder: Any, topic: str) -> Counts:
        """Return what a recorder that ended says of a topic."""
        [row] = [
            line for line in recorder.text().splitlines() if line.startswith(f'│ {topic} ')
        ]
        return Counts(*map(int, row.split('│')[2:-2]))


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


@pytest.fixture
def steps() -> type[Steps]:
    """Return the class that publishes numbers, each once the one before it came."""
    return Steps


@pytest.fixture
def spool_gate() -> type[SpoolGate]:
    """Return the class that holds feeds back until the spool has what they published."""
    return SpoolGate
