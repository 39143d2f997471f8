"""Finding recorders in the ROS graph and talking to one; every wait ends in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import time
from typing import Any

from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from twinsight_interfaces.msg import RecorderStatus
from twinsight_store.errors import ConfigurationError, NothingMatchedError, TwinsightError

DEFAULT_NAME = '/recorder'

_STATUS_TYPE = 'twinsight_interfaces/msg/RecorderStatus'
_SETTLED_S = 0.5
"""Where nobody new is discovered for so long, most likely everybody is."""

_SURE_S = 4.0
"""
By then who runs is known for sure: DDS participants announce themselves every 3 s, and some are
found by that only; then what they publish and their names are told (0.2 s on a busy machine).
"""

_POLL_S = 0.05
_UNKNOWN = '_NODE_NAME_UNKNOWN_'


class NoAnswerError(TwinsightError):
    """A recorder that was found does not answer in time."""


@dataclass(frozen=True)
class Recorder:
    """
    One recorder that runs.

    name          its node's name with the namespace
    status_topic  where it publishes RecorderStatus
    """

    name: str
    status_topic: str


class RecorderClient:
    """
    Asks one recorder after another.

    timeout_s  longest wait for anything: to find a recorder, for its status, for its answer
    """

    def __init__(self, node: Node, timeout_s: float) -> None:
        self._node = node
        self._timeout_s = timeout_s
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)

    def find(self, name: str = '', surely_alone: bool = True) -> Recorder:
        """
        Return the recorder of that name; without one, the only one that runs.

        surely_alone  wait long enough to discover any other that runs, where none is named

        Raises NothingMatchedError where there is none, ConfigurationError where several run
        and none is named.
        """
        wanted = f'/{name.strip("/")}' if name else ''
        found = self._discover(wanted, _SURE_S if surely_alone else 0.0)
        if wanted:
            if wanted in found:
                return found[wanted]
            raise NothingMatchedError(self._absent(wanted, found))
        if not found:
            raise NothingMatchedError(self._absent('', found))
        if len(found) > 1:
            raise ConfigurationError(
                f'several recorders run: {", ".join(sorted(found))}; choose one with --node'
            )
        return next(iter(found.values()))

    def call(
        self, recorder: Recorder, service: str, kind: Any, fields: Mapping[str, object]
    ) -> Any:
        """
        Return a service's answer.

        service  as in ``~/service``, of a type with the request's fields

        Raises NoAnswerError.
        """
        client: Client = self._node.create_client(kind, f'{recorder.name}/{service}')
        try:
            if not client.wait_for_service(self._timeout_s):
                raise NoAnswerError(
                    f'{recorder.name}: no service ~/{service} within {self._timeout_s:g} s'
                )
            future = client.call_async(kind.Request(**fields))
            if not self._spin(future.done):
                raise NoAnswerError(
                    f'{recorder.name}: no answer of ~/{service} within {self._timeout_s:g} s; '
                    'it may be done all the same: see `record-ctl status`'
                )
            return future.result()
        finally:
            self._node.destroy_client(client)

    def watch(self, recorder: Recorder, show: Callable[[RecorderStatus], bool]) -> None:
        """
        Hand over each status while ``show`` returns whether it wants another one.

        Raises NoAnswerError where none comes for too long.
        """
        came: list[RecorderStatus] = []
        subscription = self._node.create_subscription(
            RecorderStatus, recorder.status_topic, came.append, 10
        )
        try:
            wanted = True
            while wanted:
                if not self._spin(lambda: bool(came)):
                    raise NoAnswerError(
                        f'{recorder.name}: no status within {self._timeout_s:g} s'
                    )
                wanted = show(came[-1])
                came.clear()
        finally:
            self._node.destroy_subscription(subscription)

    def _spin(self, until: Callable[[], bool]) -> bool:
        """Serve the node until the condition holds; return whether it does in time."""
        end_s = time.monotonic() + self._timeout_s
        while not until():
            if time.monotonic() > end_s:
                return False
            self._executor.spin_once(timeout_sec=_POLL_S)
        return True

    def _discover(self, wanted: str, least_s: float) -> dict[str, Recorder]:
        """
        Return the recorders by name: once the wanted one is there, or no more come.

        least_s  look for so long at least where none is wanted
        """
        start_s = changed_s = time.monotonic()
        found: dict[str, Recorder] = {}
        while time.monotonic() < start_s + self._timeout_s and wanted not in found:
            now, complete = self._recorders()
            if now != found or not complete:
                found, changed_s = now, time.monotonic()
            settled_s = max(start_s + least_s, changed_s + _SETTLED_S)
            if found and not wanted and time.monotonic() >= settled_s:
                break
            time.sleep(_POLL_S)
        return found

    def _recorders(self) -> tuple[dict[str, Recorder], bool]:
        """Return the recorders by name, and whether the names of all are known by now."""
        found, complete = {}, True
        for topic, types in self._node.get_topic_names_and_types():
            if _STATUS_TYPE not in types:
                continue
            for publisher in self._node.get_publishers_info_by_topic(topic):
                if _UNKNOWN in publisher.node_name:
                    complete = False
                    continue
                name = f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'
                found[name] = Recorder(name, topic)
        return found, complete

    def _absent(self, wanted: str, found: Mapping[str, Recorder]) -> str:
        """Say what was looked for, and what is there instead."""
        text = f'no recorder {wanted}' if wanted else 'no recorder'
        text += f' found within {self._timeout_s:g} s'
        if found:
            return f'{text}; there is {", ".join(sorted(found))}'
        name = wanted or DEFAULT_NAME
        nodes = {
            f'{namespace.rstrip("/")}/{node}'
            for node, namespace in self._node.get_node_names_and_namespaces()
        }
        if name in nodes:
            return f'{text}: node {name} is there, but it is not configured, or is no recorder'
        return f'{text}; is one running, and in this ROS_DOMAIN_ID?'
