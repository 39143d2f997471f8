"""One raw subscription: bytes and times of its messages into the intake."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import time
from typing import Any

from rclpy.event_handler import QoSMessageLostInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from twinsight_recorder.raw.intake import Intake
from twinsight_recorder.raw.receive_order import ReceiveOrder
from twinsight_recorder.raw.recorded_topic import RecordedTopic
from twinsight_store.taken_directly import never_called, TakenDirectly

Observer = Callable[[bytes], None]
"""Sees the serialized messages of a topic, each before it is recorded."""

_MOST_IN_ONE_TURN = 1000


class Receiver:
    """
    Takes the messages of one topic when it is told to; no executor serves it.

    recording  whether they go into the intake, or are only observed
    """

    def __init__(
        self,
        node: Node,
        topic: RecordedTopic,
        cls: type,
        qos: QoSProfile,
        group: TakenDirectly,
        intake: Intake,
        observer: Observer | None,
        recording: bool,
    ) -> None:
        self.topic = topic
        self.qos = qos
        self.recording = recording
        self._node = node
        self._intake = intake
        self._observer = observer
        self._order = ReceiveOrder()
        lost = None
        if self.is_best_effort:
            lost = partial(_tell_lost, topic, topic.told_lost)
        self._subscription = node.create_subscription(
            cls, topic.name, never_called, qos, raw=True, callback_group=group,
            event_callbacks=SubscriptionEventCallbacks(
                message_lost=lost, use_default_callbacks=False
            ),
        )
        for handler in self._subscription.event_handlers:  # these the executor does serve
            handler.callback_group = node.default_callback_group
            handler.callback_group.add_entity(handler)

    @property
    def is_best_effort(self) -> bool:
        """Return whether lost messages are not asked for again."""
        return bool(self.qos.reliability == ReliabilityPolicy.BEST_EFFORT)

    def end(self) -> None:
        """End the subscription."""
        self._node.destroy_subscription(self._subscription)

    def take_waiting(self) -> int:
        """Take what waits in the subscription, up to a bound that lets others have their turn."""
        subscription, topic = self._subscription, self.topic
        see, offer, time_of = topic.loss.see, self._intake.offer, self._order.time_of
        with subscription.handle:
            take, cls = subscription.handle.take_message, subscription.msg_type
            for count in range(_MOST_IN_ONE_TURN):
                taken: Any = take(cls, True)  # bytes, and a mapping of what DDS says
                if taken is None:
                    self._order.all_taken()
                    return count
                data, info = taken
                if self._observer is not None:
                    self._observer(data)
                if not self.recording:
                    continue
                sequence = info.get('publication_sequence_number') or 0
                gid = info.get('publisher_gid')
                publisher = gid['data'] if gid else b''
                receive_ns = time_of(publisher, info['received_timestamp'] or time.time_ns())
                see(publisher, sequence)
                offer(
                    topic, receive_ns, info['source_timestamp'] or receive_ns, sequence, data,
                    publisher,
                )
        return _MOST_IN_ONE_TURN


def _tell_lost(topic: RecordedTopic, before: int, info: QoSMessageLostInfo) -> None:
    topic.told_lost = before + info.total_count
