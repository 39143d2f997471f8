"""The topic ``mission``: every recorder of a robot hears at once which mission it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import time
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import KeyValue
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from twinsight_interfaces.msg import Mission as MissionMessage
from twinsight_recorder.mission.choice import checked_id, Mission, Origin, requested_id
from twinsight_recorder.raw.receiver import TakenDirectly
from twinsight_store.errors import ConfigurationError

TOPIC = 'mission'
_QOS = QoSProfile(
    depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
_LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
_ORIGINS = frozenset(Origin)


class MissionChannel:
    """
    Tells others a robot's mission, and follows what others tell.

    current  the mission that holds
    heard    whether another node has told a mission of this robot
    """

    def __init__(
        self, node: Node, robot_id: str, mission: Mission, follow: Callable[[Mission], None],
    ) -> None:
        """Make one; follow(mission) is called in take(), before ``current`` is that mission."""
        self.current = mission
        self.heard = False
        self._node = node
        self._robot_id = robot_id
        self._follow = follow
        self._ignored = ''
        self._publisher = node.create_publisher(MissionMessage, TOPIC, _LATCHED)
        self._subscription = node.create_subscription(
            MissionMessage, TOPIC, _never_called, _QOS, callback_group=TakenDirectly()
        )

    def announce(self) -> None:
        """Tell the others which mission it is."""
        mission = self.current
        self._publisher.publish(
            MissionMessage(
                header=_header(mission.began_ns),
                robot_id=self._robot_id,
                mission_id=mission.mission_id,
                origin=int(mission.origin),
                ended_mission_id=mission.ended,
                labels=[KeyValue(key=key, value=text) for key, text in mission.labels.items()],
            )
        )

    def request(
        self, mission_id: str, ended: str = '', labels: Mapping[str, str] | None = None
    ) -> Mission:
        """
        Begin a mission by request, empty: a new one of date and time; tell the others.

        Raises ConfigurationError where the id is not accepted.
        """
        # Also where the clock was set back it is newer than the one of now, or nobody follows.
        began_ns = max(time.time_ns(), self.current.began_ns + 1)
        name = checked_id(mission_id) if mission_id else requested_id(began_ns)
        self.current = Mission(name, began_ns, Origin.REQUEST, ended, labels or {})
        self.announce()
        return self.current

    def take(self) -> None:
        """Hear what others told; does not wait."""
        with self._subscription.handle:
            while True:
                taken: Any = self._subscription.handle.take_message(MissionMessage, False)
                if taken is None:
                    return
                message, info = taken
                self._hear(message, info['source_timestamp'])

    def close(self) -> None:
        """Leave the topic."""
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)

    def _hear(self, message: MissionMessage, publish_ns: int) -> None:
        if message.robot_id != self._robot_id or message.origin not in _ORIGINS:
            return
        try:
            told = _mission_in(message, publish_ns)
        except ConfigurationError as error:
            self._ignore(str(error))
            return
        if told != self.current:
            self.heard = True
        if self.current.gives_way_to(told):
            self._follow(told)
            self.current = told
            self.announce()  # who comes later may hear it from us only

    def _ignore(self, why: str) -> None:
        if why != self._ignored:  # some publish it once a second
            self._ignored = why
            self._node.get_logger().warning(f'a message on {TOPIC} is ignored: {why}')


def _mission_in(message: MissionMessage, publish_ns: int) -> Mission:
    """Return what a message tells; without a stamp or an id it is the same for all who hear it."""
    stamp = message.header.stamp
    began_ns = stamp.sec * 1_000_000_000 + stamp.nanosec or publish_ns
    if message.ended_mission_id:
        checked_id(message.ended_mission_id)
    return Mission(
        checked_id(message.mission_id) if message.mission_id else requested_id(began_ns),
        began_ns, Origin(message.origin), message.ended_mission_id,
        {each.key: each.value for each in message.labels},
    )


def _header(stamp_ns: int) -> Any:
    header = MissionMessage().header
    header.stamp = Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)
    return header


def _never_called(*_: object) -> None:
    raise AssertionError('the executor does not serve this subscription')
