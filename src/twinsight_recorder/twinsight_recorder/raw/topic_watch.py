"""Finding the topics that are to be recorded, and keeping a subscription to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.topic_endpoint_info import TopicEndpointInfo

from twinsight_recorder.raw.intake import Intake
from twinsight_recorder.raw.labelling import Labelling
from twinsight_recorder.raw.receiver import Observer, Receiver
from twinsight_recorder.raw.recorded_topic import RecordedTopic
from twinsight_recorder.raw.topic_rules import TopicRules
from twinsight_store.errors import ConfigurationError
from twinsight_store.message_types import message_class, UnknownTypeError
from twinsight_store.ros_channel import channel_of, offered_qos
from twinsight_store.ros_qos import is_too_strict, request_for
from twinsight_store.taken_directly import TakenDirectly

ObserverOf = Callable[[type], Observer]
"""Gives the observer for a message class; raises ConfigurationError where it cannot."""


class TopicWatch:
    """
    Subscribes to wanted topics as they appear, raw, with QoS that suits their publishers.

    topics     all that were ever recorded, by name
    observers  for topics that are looked into, recorded or not
    """

    def __init__(
        self,
        node: Node,
        rules: TopicRules,
        labelling: Labelling,
        intake: Intake,
        observers: Mapping[str, ObserverOf],
        on_problem: Callable[[str], object],
    ) -> None:
        """Make one; on_problem is called once for each topic that cannot be recorded."""
        self.topics: dict[str, RecordedTopic] = {}
        self._node = node
        self._rules = rules
        self._labelling = labelling
        self._intake = intake
        self._observers = observers
        self._on_problem = on_problem
        self._problems: set[tuple[str, str]] = set()
        self._followed: dict[str, Receiver] = {}
        self._publishers: dict[str, frozenset[tuple[int, ...]]] = {}
        self._not_by_executor = TakenDirectly()

    def update(self) -> None:
        """Look at the graph once."""
        for name, _ in self._node.get_topic_names_and_types():
            if not (self._rules.is_wanted(name) or name in self._observers):
                continue
            publishers = self._node.get_publishers_info_by_topic(name)
            there = frozenset(tuple(publisher.endpoint_gid) for publisher in publishers)
            if not there or there == self._publishers.get(name):
                continue  # describing a channel is slow, and messages wait meanwhile
            self._publishers[name] = there
            try:
                self._follow(name, publishers)
            except UnknownTypeError as error:
                self._problem(name, f'topic {name} is not recorded: {error}')

    def take(self) -> int:
        """
        Take what the middleware has delivered, of each topic up to a bound; return how many.

        Observed topics come first, so that what they change holds for the others.
        """
        return sum([receiver.take_waiting() for receiver in self._followed.values()])

    def relabel(self) -> None:
        """Give the labels of now to all that is received from now on."""
        for topic in self.topics.values():
            self._labelling.label(topic)

    def apply_rules(self) -> None:
        """Go on as the rules now say: record a topic, only look into it, or leave it."""
        for name, receiver in list(self._followed.items()):
            wanted = self._rules.is_wanted(name)
            if not wanted and name not in self._observers:
                self._leave(name)
            elif wanted != receiver.recording:
                receiver.recording = wanted
                receiver.topic.loss.forget()  # what is passed over is not lost
                if wanted:
                    self.topics[name] = receiver.topic
                    self._labelling.label(receiver.topic)
        self._publishers = {
            name: there for name, there in self._publishers.items() if name in self._followed
        }

    def leave_all(self) -> None:
        """End all subscriptions."""
        for name in list(self._followed):
            self._leave(name)

    def recorded_now(self) -> list[RecordedTopic]:
        """Return the topics that are subscribed to and recorded."""
        return [
            receiver.topic for receiver in self._followed.values() if receiver.recording
        ]

    def publishers_of(self, name: str) -> int:
        """Return how many publishers a topic had when the graph was last looked at."""
        return len(self._publishers.get(name, ()))

    def is_best_effort(self, name: str) -> bool:
        """Return whether the subscription to a topic does not ask for what was lost."""
        receiver = self._followed.get(name)
        return receiver is not None and receiver.is_best_effort

    def _leave(self, name: str) -> None:
        receiver = self._followed.pop(name)
        self._publishers.pop(name, None)
        receiver.end()
        receiver.topic.loss.forget()

    def _follow(self, name: str, publishers: list[TopicEndpointInfo]) -> None:
        types = sorted({publisher.topic_type for publisher in publishers})
        if len(types) > 1:
            self._problem(
                name, f'topic {name}: its publishers have different types '
                f'({", ".join(types)}); the messages of {types[0]} are recorded'
            )
        channel = channel_of(name, types[0], publishers)
        request = request_for(offered_qos(types[0], publishers))
        topic = self.topics.get(name)
        if topic is None:
            topic = RecordedTopic(channel, self._rules.rule_for(name, types[0]))
            self._labelling.label(topic)
        elif channel.type_name != topic.channel.type_name:
            return self._problem(
                name, f'topic {name}: its type changed from {topic.channel.type_name} to '
                f'{channel.type_name}; restart the recorder to record it'
            )
        elif channel.id != topic.channel.id:
            topic.channel = channel
            self._labelling.label(topic)
        topic.is_latched = request.durability == DurabilityPolicy.TRANSIENT_LOCAL
        receiver = self._followed.get(name)
        if receiver is None:
            self._subscribe(topic, request)
        elif is_too_strict(receiver.qos, request):
            receiver.take_waiting()
            receiver.end()
            self._subscribe(topic, request)
        return None

    def _subscribe(self, topic: RecordedTopic, qos: QoSProfile) -> None:
        name, cls = topic.name, message_class(topic.channel.type_name)
        observer = self._observer(name, cls)
        recording = self._rules.is_wanted(name)
        if observer is None and not recording:
            return
        receiver = Receiver(
            self._node, topic, cls, qos, self._not_by_executor, self._intake, observer, recording
        )
        self._followed[name] = receiver
        if observer is not None:
            self._followed = {name: receiver, **self._followed}
        if recording:
            self.topics[topic.name] = topic

    def _observer(self, name: str, cls: type) -> Observer | None:
        if name not in self._observers:
            return None
        try:
            return self._observers[name](cls)
        except ConfigurationError as error:
            self._problem(name, str(error))
            return None

    def _problem(self, name: str, text: str) -> None:
        if (name, text) not in self._problems:
            self._problems.add((name, text))
            self._on_problem(text)
