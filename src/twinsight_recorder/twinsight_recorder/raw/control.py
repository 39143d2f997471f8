"""The recorder's services: start, stop, pause, resume, split, mission, topics, snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.service import Service
from std_srvs.srv import Trigger

from twinsight_interfaces.srv import ChangeTopics, SetMission, StartRecording, TakeSnapshot
from twinsight_recorder.raw.recording import ControlError, Recording
from twinsight_store.errors import TwinsightError


class Control:
    """
    Serves ``~/start`` and the others; an answer's message says what was done, or why not.

    is_active  whether the node's lifecycle lets it record
    """

    def __init__(
        self, node: Node, recording: Recording, is_active: Callable[[], bool]
    ) -> None:
        self._node = node
        self._recording = recording
        self._is_active = is_active
        self._services: list[Service] = [
            node.create_service(kind, f'~/{name}', self._answering(do))
            for name, kind, do in (
                ('start', StartRecording, self._start),
                ('stop', Trigger, self._stop),
                ('pause', Trigger, self._pause),
                ('resume', Trigger, self._resume),
                ('split', Trigger, self._split),
                ('set_mission', SetMission, self._set_mission),
                ('change_topics', ChangeTopics, self._change_topics),
                ('snapshot', TakeSnapshot, self._snapshot),
            )
        ]

    def close(self) -> None:
        """End the services."""
        for service in self._services:
            self._node.destroy_service(service)

    def _answering(self, do: Callable[[Any, Any], str]) -> Callable[[Any, Any], Any]:
        def answer(request: Any, response: Any) -> Any:
            try:
                response.message = do(request, response)
                response.success = True
            except TwinsightError as error:
                response.message = str(error)
                response.success = False
            return response

        return answer

    def _start(self, request: Any, response: Any) -> str:
        if not self._is_active():
            raise ControlError('the recorder is not active: a lifecycle manager activates it')
        self._recording.start(request.mission_id)
        response.mission_id = self._recording.labelling.mission_id
        return f'recording {self._recording.what}'

    def _stop(self, request: Any, response: Any) -> str:
        self._recording.stop()
        return f'stopped: {self._recording.what}'

    def _pause(self, request: Any, response: Any) -> str:
        self._recording.pause()
        return 'paused: what arrives is left out'

    def _resume(self, request: Any, response: Any) -> str:
        self._recording.resume()
        return f'recording {self._recording.what}'

    def _split(self, request: Any, response: Any) -> str:
        part = self._recording.split()
        return f'part {part} of mission {self._recording.labelling.mission_id}'

    def _set_mission(self, request: Any, response: Any) -> str:
        self._recording.set_mission(request.mission_id)
        response.mission_id = self._recording.labelling.mission_id
        return f'from now on: {self._recording.what}'

    def _change_topics(self, request: Any, response: Any) -> str:
        self._recording.change_topics(request.add, request.drop)
        names = sorted(topic.name for topic in self._recording.watch.recorded_now())
        response.topics = names
        return f'{len(names)} topics are recorded'

    def _snapshot(self, request: Any, response: Any) -> str:
        snapshot = self._recording.take_snapshot(request.before_s, request.after_s)
        response.messages = snapshot.messages
        return (
            f'{snapshot.messages} messages of the last {snapshot.before_s:.1f} s'
            + (f', and what comes in the next {request.after_s:g} s' if request.after_s else '')
        )
