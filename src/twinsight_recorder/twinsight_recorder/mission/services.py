"""The services start_mission and end_mission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from twinsight_interfaces.srv import EndMission, StartMission
from twinsight_recorder.mission.choice import checked_id, Mission
from twinsight_store.errors import ConfigurationError

Begin = Callable[[str, str, Mapping[str, str]], Mission]
"""Begins a mission: its id (empty: a new one), the mission that it ends, its labels."""


_FOUND_S = 3.0
"""After so long a node has found those that were there before it."""


class MissionServices:
    """Serves them for one robot; all its recorders follow."""

    def __init__(self, node: Node, current: Callable[[], Mission], begin: Begin) -> None:
        self._node = node
        self._current = current
        self._begin = begin
        self._services = [
            node.create_service(StartMission, 'start_mission', partial(_answer, self._start)),
            node.create_service(EndMission, 'end_mission', partial(_answer, self._end)),
        ]
        self._look = node.create_timer(
            _FOUND_S, self._look_for_others, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def close(self) -> None:
        """End the services."""
        self._node.destroy_timer(self._look)
        for service in self._services:
            self._node.destroy_service(service)

    def _start(
        self, request: StartMission.Request, response: StartMission.Response
    ) -> StartMission.Response:
        labels = {each.key: each.value for each in request.labels}
        response.mission_id = self._begin(request.mission_id, '', labels).mission_id
        response.success = True
        response.message = f'from now on: mission {response.mission_id}'
        return response

    def _end(
        self, request: EndMission.Request, response: EndMission.Response
    ) -> EndMission.Response:
        current = self._current().mission_id
        if request.mission_id not in ('', current):
            asked = checked_id(request.mission_id)
            response.message = f'mission {asked} is not the one of now: that is {current}'
            return response
        follows = self._begin('', current, {}).mission_id
        response.mission_id = current
        response.success = True
        response.message = f'mission {current} ended; from now on: mission {follows}'
        return response

    def _look_for_others(self) -> None:
        """Say once that a call reaches another robot too: no field of a request names one."""
        self._look.cancel()
        name = self._services[0].service_name
        if self._node.count_services(name) > 1:
            self._node.get_logger().warning(
                f'another node serves {name} too: one call begins a mission for both; give each '
                'robot a namespace of its own (-r __ns:=/robot_05)'
            )


def _answer(do: Callable[[Any, Any], Any], request: Any, response: Any) -> Any:
    try:
        return do(request, response)
    except ConfigurationError as error:
        response.message = str(error)
        return response
