"""Finding the topics that metrics are taken from, and reading what arrives on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from twinsight_recorder.raw.receiver import TakenDirectly
from twinsight_store.errors import ConfigurationError
from twinsight_store.message_types import message_class, UnknownTypeError
from twinsight_store.ros_qos import is_too_strict, request_for

Take = Callable[[bytes, int], object]
"""Takes a serialized message and its receive time (Unix ns)."""

TakerOf = Callable[[str, str], 'Take | None']
"""Gives what takes a topic's messages, by name and type; None where nobody wants them."""

_MOST_IN_ONE_TURN = 1000
_CLOCK_STEP_NS = 2_000_000_000


@dataclass
class _Followed:
    type_name: str
    subscription: Subscription
    take: Take
    last_ns: int = 0

    def time_of(self, receive_ns: int) -> int:
        """
        Return when a message came: at least a microsecond after the one before it.

        A database knows no finer time, and the order must be seen there. A message that waited
        for one before it, which DDS had to send again, came when that came, and that may be
        seconds later. A clock that was set back is followed.
        """
        after_ns = self.last_ns + 1000
        if receive_ns < after_ns and time.time_ns() > self.last_ns - _CLOCK_STEP_NS:
            receive_ns = after_ns
        self.last_ns = receive_ns
        return receive_ns


class StateTopics:
    """
    Subscribes raw to topics that somebody wants, as they appear; no executor serves them.

    messages  that were taken since the start
    """

    def __init__(
        self, node: Node, taker_of: TakerOf, on_problem: Callable[[str], object]
    ) -> None:
        """Make one; on_problem is called once for each topic that cannot be read."""
        self.messages = 0
        self._node = node
        self._taker_of = taker_of
        self._on_problem = on_problem
        self._problems: set[tuple[str, str]] = set()
        self._followed: dict[str, _Followed] = {}
        self._publishers: dict[str, frozenset[tuple[int, ...]]] = {}
        self._unwanted: set[tuple[str, str]] = set()
        self._not_by_executor = TakenDirectly()

    @property
    def names(self) -> list[str]:
        """Return the topics that are read."""
        return sorted(self._followed)

    def update(self) -> None:
        """Look at the graph once."""
        for name, types in self._node.get_topic_names_and_types():
            if name in self._followed or (name, types[0]) not in self._unwanted:
                self._look_at(name)

    def take(self) -> int:
        """Take what the middleware has delivered, of each topic up to a bound."""
        taken = sum([self._take_from(each) for each in self._followed.values()])
        self.messages += taken
        return taken

    def close(self) -> None:
        """End all subscriptions."""
        for each in self._followed.values():
            self._node.destroy_subscription(each.subscription)
        self._followed.clear()

    def _look_at(self, name: str) -> None:
        publishers = self._node.get_publishers_info_by_topic(name)
        there = frozenset(tuple(publisher.endpoint_gid) for publisher in publishers)
        if not there or there == self._publishers.get(name):
            return
        self._publishers[name] = there
        types = sorted({publisher.topic_type for publisher in publishers})
        followed = self._followed.get(name)
        if followed is not None and followed.type_name not in types:
            self._leave(name, types[0])
            followed = None
        type_name = followed.type_name if followed is not None else types[0]
        if len(types) > 1:
            self._problem(
                name, f'topic {name}: its publishers have different types ({", ".join(types)}); '
                f'metrics are taken from {type_name}'
            )
        request = request_for(
            [each.qos_profile for each in publishers if each.topic_type == type_name]
        )
        try:
            if followed is None:
                self._follow(name, type_name, request)
            elif is_too_strict(followed.subscription.qos_profile, request):
                self._take_from(followed)
                self._node.destroy_subscription(followed.subscription)
                followed.subscription = self._subscribe(name, type_name, request)
        except (ConfigurationError, UnknownTypeError) as error:
            self._problem(name, str(error))
            self._unwanted.add((name, type_name))

    def _follow(self, name: str, type_name: str, qos: QoSProfile) -> None:
        take = self._taker_of(name, type_name)
        if take is None:
            self._unwanted.add((name, type_name))
            return
        self._followed[name] = _Followed(
            type_name, self._subscribe(name, type_name, qos), take
        )

    def _leave(self, name: str, new_type: str) -> None:
        """Forget a topic that is there again with another type."""
        followed = self._followed.pop(name)
        self._take_from(followed)
        self._node.destroy_subscription(followed.subscription)
        self._problem(
            name, f'topic {name}: its type is {new_type} now, no longer {followed.type_name}: '
            'metrics are taken from the new one, where a rule wants it'
        )

    def _subscribe(self, name: str, type_name: str, qos: QoSProfile) -> Subscription:
        return self._node.create_subscription(
            message_class(type_name), name, _never_called, qos, raw=True,
            callback_group=self._not_by_executor,
        )

    def _take_from(self, topic: _Followed) -> int:
        subscription, give, time_of = topic.subscription, topic.take, topic.time_of
        with subscription.handle:
            take, cls = subscription.handle.take_message, subscription.msg_type
            for count in range(_MOST_IN_ONE_TURN):
                taken: Any = take(cls, True)  # bytes, and a mapping of what DDS says
                if taken is None:
                    return count
                data, info = taken
                give(data, time_of(info['received_timestamp'] or time.time_ns()))
        return _MOST_IN_ONE_TURN

    def _problem(self, name: str, text: str) -> None:
        if (name, text) not in self._problems:
            self._problems.add((name, text))
            self._on_problem(text)


def _never_called(*_: object) -> None:
    raise AssertionError('the executor does not serve these subscriptions')
