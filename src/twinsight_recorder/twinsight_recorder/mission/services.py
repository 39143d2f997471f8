"""The services start_mission and end_mission."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rclpy.node import Node

from twinsight_interfaces.srv import EndMission, StartMission
from twinsight_recorder.mission.choice import Mission

Begin = Callable[[str, str, Mapping[str, str]], Mission]
"""Begins a mission: its id (empty: a new one), the mission that it ends, its labels."""


class MissionServices:
    """Serves them for one robot; all its recorders follow."""

    def __init__(self, node: Node, current: Callable[[], Mission], begin: Begin) -> None:
        self._node = node
        self._current = current
        self._begin = begin
        self._services = [
            node.create_service(StartMission, 'start_mission', self._start),
            node.create_service(EndMission, 'end_mission', self._end),
        ]

    def close(self) -> None:
        """End the services."""
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
            response.message = (
                f'mission {request.mission_id} is not the one of now: that is {current}'
            )
            return response
        follows = self._begin('', current, {}).mission_id
        response.mission_id = current
        response.success = True
        response.message = f'mission {current} ended; from now on: mission {follows}'
        return response
