"""The recorders that run: what each told last, and what it may be asked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
import time
from typing import Any, NamedTuple

from rclpy.clock import Clock, ClockType
from rclpy.subscription import Subscription
from std_srvs.srv import Trigger

from twinsight_bridge.commands.calling import call
from twinsight_bridge.commands.command import Command, Target
from twinsight_bridge.commands.commands import Order
from twinsight_bridge.commands.endpoints import Endpoints
from twinsight_bridge.commands.errors import RefusedError, UnknownNameError
from twinsight_bridge.commands.ros_node import until
from twinsight_bridge.live.json_message import fill
from twinsight_interfaces.msg import RecorderStatus
from twinsight_interfaces.srv import ChangeTopics, SetMission, StartRecording, TakeSnapshot

STATUS_TYPE = 'twinsight_interfaces/msg/RecorderStatus'
ONLINE_S = 5.0
"""A recorder tells its state once a second; one that is silent for so long is away."""

ACTIONS: Mapping[str, tuple[str, str, Any]] = {
    'start': ('start', 'StartRecording', StartRecording),
    'stop': ('stop', 'Trigger', Trigger),
    'pause': ('pause', 'Trigger', Trigger),
    'resume': ('resume', 'Trigger', Trigger),
    'split': ('split', 'Trigger', Trigger),
    'set_mission': ('set_mission', 'SetMission', SetMission),
    'add_topics': ('change_topics', 'ChangeTopics', ChangeTopics),
    'drop_topics': ('change_topics', 'ChangeTopics', ChangeTopics),
    'snapshot': ('snapshot', 'TakeSnapshot', TakeSnapshot),
}
"""What may be asked → the recorder's service, and its type."""

_LOOK_S = 1.0
_MOST = 1_000
_FORGET_S = 600.0
_FOUND_S = 4.0
"""After so long those are found that were there before this server."""

_WAIT_S = 3.0
_TIMEOUT_S = 15.0
"""A stop brings what was received on its way before it answers."""

_UNKNOWN = '_NODE_NAME_UNKNOWN_'


class Seen(NamedTuple):
    """
    What a recorder told last.

    name     its node's name with the namespace
    seen_ns  when it came, Unix ns of this machine
    """

    name: str
    seen_ns: int
    status: RecorderStatus

    @property
    def online(self) -> bool:
        """Return whether it is there."""
        return time.time_ns() - self.seen_ns < ONLINE_S * 1e9


class Recorders:
    """Follows the states of all recorders in the ROS graph, and has them do something."""

    def __init__(self, endpoints: Endpoints) -> None:
        """Make one that has seen none."""
        self._endpoints = endpoints
        self._seen: dict[str, Seen] = {}
        self._followed: dict[str, Subscription[Any]] = {}
        self._found_s = 0.0

    async def open(self) -> None:
        """Begin to look for them."""
        self._found_s = time.monotonic() + _FOUND_S
        await self._endpoints.ros.run(self._begin)

    def seen(self, robot_ids: tuple[str, ...] = ()) -> list[Seen]:
        """Return the recorders that were seen lately, of some robots or of all, by name."""
        return [
            each for _, each in sorted(self._seen.items())
            if not robot_ids or each.status.robot_id in robot_ids
        ]

    def mission_of(self, robot_id: str) -> str:
        """Return the mission that a robot's recorder is at; '' where none is there."""
        ours = [each for each in self.seen((robot_id,)) if each.online]
        return max(ours, key=lambda each: each.seen_ns).status.mission_id if ours else ''

    async def order(
        self, robot_id: str, action: str, fields: Mapping[str, Any], node: str = ''
    ) -> Order:
        """
        Return what has a recorder do something; it answers with a message.

        action  one of ACTIONS
        node    the recorder's node, where the robot has several

        Raises UnknownNameError where there is none, RefusedError where several are.
        """
        recorder = await self._one(robot_id, node)
        service, kind, cls = ACTIONS[action]
        package = 'std_srvs' if cls is Trigger else 'twinsight_interfaces'
        request = cls.Request()
        fill(request, dict(fields))
        target = Target('service', f'{recorder.name}/{service}', f'{package}/srv/{kind}')
        send = partial(_send, cls=cls, request=request, endpoints=self._endpoints)
        return Order(robot_id, f'recorder.{action}', dict(fields), target, send)

    async def _one(self, robot_id: str, node: str) -> Seen:
        wanted = node and f'/{node.strip("/")}'

        def found() -> list[Seen]:
            return [
                each for each in self.seen((robot_id,)) if not wanted or each.name == wanted
            ]

        await until(found, self._found_s - time.monotonic())
        there = [each for each in found() if each.online] or found()
        if len(there) > 1:
            raise RefusedError(
                f'robot {robot_id!r} has several recorders: choose one with node='
                f'{" or ".join(each.name for each in there)}'
            )
        if there:
            return there[0]
        others = ', '.join(f'{each.name} of {each.status.robot_id}' for each in self.seen())
        raise UnknownNameError(
            f'no recorder{" " + wanted if wanted else ""} of robot {robot_id!r} is seen: there is '
            f'{others or "none"}'
        )

    def _begin(self) -> None:
        self._endpoints.ros.node.create_timer(
            _LOOK_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._look()

    def _look(self) -> None:
        """Follow recorders that are new, and forget those that are long gone."""
        node = self._endpoints.ros.node
        there = {
            topic for topic, types in node.get_topic_names_and_types()
            if STATUS_TYPE in types and node.count_publishers(topic)
        }
        for topic in there - self._followed.keys():
            if len(self._followed) < _MOST:
                self._followed[topic] = node.create_subscription(
                    RecorderStatus, topic, partial(self._hear, topic), 10
                )
        for topic in self._followed.keys() - there:
            node.destroy_subscription(self._followed.pop(topic))
        forgotten_ns = time.time_ns() - round(_FORGET_S * 1e9)
        self._seen = {
            name: each for name, each in self._seen.items() if each.seen_ns > forgotten_ns
        }

    def _hear(self, topic: str, status: RecorderStatus) -> None:
        for publisher in self._endpoints.ros.node.get_publishers_info_by_topic(topic):
            if _UNKNOWN not in publisher.node_name:
                name = f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'
                # a new one each time: the event loop may be looking at the old one
                self._seen = {**self._seen, name: Seen(name, time.time_ns(), status)}
                return


async def _send(command: Command, *, cls: Any, request: Any, endpoints: Endpoints) -> None:
    await call(command, cls, request, endpoints, _WAIT_S, _TIMEOUT_S)
