"""The ROS side of a replay: one publisher a topic, with the recorded QoS and bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import time
from types import MappingProxyType

from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from twinsight_replay.timing_error import TimingError
from twinsight_replay.topic_names import TopicNames
from twinsight_store.channel import Channel
from twinsight_store.message import Message
from twinsight_store.message_types import message_class, UnknownTypeError
from twinsight_store.ros_qos import offer_of
from twinsight_store.static_transforms import TF_TYPE

_VOLATILE_DEPTH = 1000
"""Messages that wait for a slow subscriber; recorded depths are often not known."""

_STATIC_TRANSFORMS_DEPTH = 100
_NO_EVENTS = PublisherEventCallbacks(use_default_callbacks=False)
"""An executor looks at each event of each publisher whenever it does anything."""

_POLL_S = 0.05
_LONGEST_CONNECTING_S = 4.0
_SETTLE_S = 0.5
"""A subscriber's own side may learn of its publisher a little later."""


@dataclass
class Published:
    """
    A published topic and what was done with it.

    send     publishes bytes; None where the topic is not published
    latched  messages from before where playing began or a seek went to
    """

    name: str
    type_name: str
    publisher: Publisher | None = None
    send: Callable[[bytes], None] | None = None
    messages: int = 0
    bytes: int = 0
    latched: int = 0
    timing: TimingError = field(default_factory=TimingError)


class TopicPublishers:
    """
    Publishes stored bytes, unchanged, under the names that TopicNames gives.

    on_problem is called once for each topic that cannot be published; the others go on.

    published, published_bytes, not_published  what publish() did; any thread may read it
    """

    def __init__(
        self, node: Node, names: TopicNames, on_problem: Callable[[str], object],
        reserved: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """
        Make one.

        reserved  names that are not published here → why
        """
        self._reserved = reserved
        self._node = node
        self._names = names
        self._on_problem = on_problem
        self.published = self.published_bytes = self.not_published = 0
        self._by_source: dict[tuple[tuple[str, str], str], Published] = {}
        self._by_name: dict[str, Published] = {}

    @property
    def topics(self) -> list[Published]:
        """Return every topic that has been seen, by name."""
        return [self._by_name[name] for name in sorted(self._by_name)]

    def announce(self, labels: Mapping[str, str], channel: Channel) -> None:
        """Make the publisher of a channel before its first message, with such labels, is due."""
        self._topic(labels, channel)

    def publish(self, message: Message, data: bytes, late_ns: int) -> None:
        """Publish a message with some bytes, or count it where that cannot be done."""
        topic = self._topic(message.labels, message.channel)
        topic.messages += 1
        topic.bytes += len(data)
        if topic.send is None:
            self.not_published += 1
        else:
            topic.send(data)
            topic.timing.add(late_ns)
            self.published += 1
            self.published_bytes += len(data)

    def latch(self, message: Message, data: bytes) -> None:
        """Publish a message from before, which is not counted with those that are played."""
        topic = self._topic(message.labels, message.channel)
        if topic.send is not None:
            topic.latched += 1
            topic.send(data)

    def wait_for_discovery(self, least_s: float) -> None:
        """Return after that time, when every subscriber that was found by then is connected."""
        self._wait(
            least_s, least_s + _LONGEST_CONNECTING_S,
            lambda name, connected: connected >= self._node.count_subscribers(name),
        )

    def wait_for_subscribers(self, most_s: float) -> list[str]:
        """Wait until each topic has a subscriber, at most so long; return those without one."""
        lonely = self._wait(0.0, most_s, lambda _, connected: connected > 0)
        if not lonely:
            time.sleep(_SETTLE_S)
        return lonely

    def _wait(
        self, least_s: float, most_s: float, is_ready: Callable[[str, int], bool]
    ) -> list[str]:
        start = time.monotonic()
        while True:
            waited_s = time.monotonic() - start
            missing = [
                topic.name
                for topic in self._by_name.values()
                if topic.publisher is not None
                and not is_ready(topic.name, topic.publisher.get_subscription_count())
            ]
            if waited_s >= most_s or (waited_s >= least_s and not missing):
                return missing
            time.sleep(_POLL_S)

    def finish(self, timeout_s: float = 5.0) -> None:
        """Return when reliable subscribers have acknowledged what was published."""
        end = time.monotonic() + timeout_s
        for topic in self._by_name.values():
            if topic.publisher is None:
                continue
            left_s = max(0.01, end - time.monotonic())
            topic.publisher.wait_for_all_acked(Duration(nanoseconds=round(left_s * 1e9)))

    def _topic(self, labels: Mapping[str, str], channel: Channel) -> Published:
        source = (self._names.source(labels), channel.id)
        topic = self._by_source.get(source)
        if topic is None:
            name = self._names.published(source[0], channel.topic)
            topic = self._by_source[source] = self._open(name, channel)
        return topic

    def _open(self, name: str, channel: Channel) -> Published:
        topic = self._by_name.get(name)
        if topic is not None and topic.type_name == channel.type_name:
            return topic
        if topic is not None:
            self._on_problem(
                f'topic {name}: its {channel.type_name} messages are not published, because '
                f'others of it are {topic.type_name}'
            )
            name = f'{name} ({channel.type_name})'
            return self._by_name.setdefault(name, Published(name, channel.type_name))
        topic = self._by_name[name] = Published(name, channel.type_name)
        if name in self._reserved:
            self._on_problem(f'topic {name} is not published: {self._reserved[name]}')
            return topic
        if channel.message_encoding != 'cdr':
            self._on_problem(
                f'topic {name} is not published: its messages are {channel.message_encoding}, '
                'not cdr'
            )
            return topic
        try:
            cls = message_class(channel.type_name)
            topic.publisher = self._node.create_publisher(
                cls, name, _qos(channel), event_callbacks=_NO_EVENTS
            )
            topic.send = topic.publisher.handle.publish_raw  # publish() looks at the type first
        except UnknownTypeError as error:
            self._on_problem(f'topic {name} is not published: {error}')
        return topic


def _qos(channel: Channel) -> QoSProfile:
    qos = offer_of(channel.offered_qos)
    if qos.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        if channel.type_name == TF_TYPE:  # of several publishers, each of which kept its last
            qos.depth = max(qos.depth, _STATIC_TRANSFORMS_DEPTH)
    elif (
        qos.history == HistoryPolicy.KEEP_LAST
        and qos.reliability == ReliabilityPolicy.RELIABLE
    ):
        qos.depth = max(qos.depth, _VOLATILE_DEPTH)
    return qos
