"""Finding the topics that are to be recorded, and keeping a subscription to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from twinsight_recorder.intake import Intake
from twinsight_recorder.recorded_topic import RecordedTopic
from twinsight_recorder.topic_rules import TopicRules
from twinsight_store.channel import Channel, QOS_KEY, TYPE_HASH_KEY
from twinsight_store.message_definition import definition
from twinsight_store.message_types import message_class, UnknownTypeError
from twinsight_store.ros_qos import request_for, to_yaml

_MOST_IN_ONE_CALLBACK = 1000


class TopicWatch:
    """
    Subscribes to wanted topics as they appear, raw, with QoS that suits their publishers.

    ``topics`` holds all that were ever subscribed, by name.
    """

    def __init__(
        self, node: Node, rules: TopicRules, intake: Intake, on_problem: Callable[[str], object]
    ) -> None:
        """Make one; on_problem is called once for each topic that cannot be recorded."""
        self.topics: dict[str, RecordedTopic] = {}
        self._node = node
        self._rules = rules
        self._intake = intake
        self._on_problem = on_problem
        self._problems: set[tuple[str, str]] = set()
        self._subscriptions: dict[str, Subscription] = {}
        self._receivers: dict[str, _Receiver] = {}
        self._publishers: dict[str, frozenset[tuple[int, ...]]] = {}

    def update(self) -> None:
        """Look at the graph once."""
        for name, _ in self._node.get_topic_names_and_types():
            if not self._rules.is_wanted(name):
                continue
            publishers = self._node.get_publishers_info_by_topic(name)
            there = frozenset(tuple(publisher.endpoint_gid) for publisher in publishers)
            if not there or there == self._publishers.get(name):
                continue  # describing a channel is slow, and callbacks wait meanwhile
            self._publishers[name] = there
            try:
                self._follow(name, publishers)
            except UnknownTypeError as error:
                self._problem(name, f'topic {name} is not recorded: {error}')

    def take_rest(self) -> None:
        """Take what the middleware has already delivered; at the end, when nothing spins."""
        for receiver in self._receivers.values():
            receiver.take_waiting()

    def _follow(self, name: str, publishers: list[TopicEndpointInfo]) -> None:
        types = sorted({publisher.topic_type for publisher in publishers})
        if len(types) > 1:
            self._problem(
                name, f'topic {name}: its publishers have different types '
                f'({", ".join(types)}); the messages of {types[0]} are recorded'
            )
        offered = [each.qos_profile for each in publishers if each.topic_type == types[0]]
        channel = _channel(name, types[0], publishers, offered)
        known = self.topics.get(name)
        if known is None:
            known = RecordedTopic(channel, self._rules.rule_for(name, types[0]))
            self._subscribe(known, request_for(offered))
            self.topics[name] = known
            return None
        if channel.type_name != known.channel.type_name:
            return self._problem(
                name, f'topic {name}: its type changed from {known.channel.type_name} to '
                f'{channel.type_name}; restart the recorder to record it'
            )
        if channel.id != known.channel.id:
            known.channel = channel
        request = request_for(offered)
        if _is_too_strict(self._subscriptions[name].qos_profile, request):
            self._node.destroy_subscription(self._subscriptions[name])
            self._subscribe(known, request)
        return None

    def _subscribe(self, topic: RecordedTopic, qos: QoSProfile) -> None:
        cls = message_class(topic.channel.type_name)
        receive = _Receiver(topic, self._intake)
        subscription = self._node.create_subscription(cls, topic.name, receive, qos, raw=True)
        receive.subscription = subscription
        self._receivers[topic.name] = receive
        self._subscriptions[topic.name] = subscription

    def _problem(self, name: str, text: str) -> None:
        if (name, text) not in self._problems:
            self._problems.add((name, text))
            self._on_problem(text)


class _Receiver:
    """
    The callback of one raw subscription: it puts bytes and times into the intake.

    It goes on taking until its subscription is empty: one call of the executor costs more
    than ten messages.
    """

    def __init__(self, topic: RecordedTopic, intake: Intake) -> None:
        self.subscription: Subscription | None = None
        self._topic = topic
        self._intake = intake

    def __call__(self, data: bytes, info: Mapping[str, Any]) -> None:
        self._offer(data, info)
        self.take_waiting()

    def take_waiting(self) -> None:
        """Take what waits in the subscription, up to a bound that lets others have their turn."""
        subscription = self.subscription
        if subscription is None:
            return
        with subscription.handle:
            for _ in range(_MOST_IN_ONE_CALLBACK):
                taken = subscription.handle.take_message(subscription.msg_type, True)
                if taken is None:
                    return
                self._offer(*taken)

    def _offer(self, data: bytes, info: Mapping[str, Any]) -> None:
        receive_ns = info['received_timestamp'] or time.time_ns()
        sequence = info.get('publication_sequence_number') or 0
        gid = info.get('publisher_gid')
        self._topic.loss.see(bytes(gid['data']) if gid else b'', sequence)
        self._intake.offer(
            self._topic, receive_ns, info['source_timestamp'] or receive_ns, sequence, data
        )


def _channel(
    name: str, type_name: str, publishers: list[TopicEndpointInfo], offered: list[QoSProfile]
) -> Channel:
    encoding, text = definition(type_name)
    different: list[QoSProfile] = []
    for profile in offered:
        if profile not in different:
            different.append(profile)
    different.sort(key=str)  # the order in which publishers are found says nothing
    metadata = {QOS_KEY: to_yaml(different)}
    type_hash = str(getattr(publishers[0], 'topic_type_hash', ''))
    if type_hash.startswith('RIHS'):
        metadata[TYPE_HASH_KEY] = type_hash
    return Channel(name, type_name, encoding, text, 'cdr', metadata)


def _is_too_strict(ours: QoSProfile, wanted: QoSProfile) -> bool:
    """Return whether a publisher that joined cannot serve our subscription."""
    return (
        ours.reliability == ReliabilityPolicy.RELIABLE
        and wanted.reliability == ReliabilityPolicy.BEST_EFFORT
    ) or (
        ours.durability == DurabilityPolicy.TRANSIENT_LOCAL
        and wanted.durability == DurabilityPolicy.VOLATILE
    )
