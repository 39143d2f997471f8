"""A player's controls as ROS services, named and typed like those of rosbag2's player."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rosbag2_interfaces.srv import (
    Burst,
    GetRate,
    IsPaused,
    Pause,
    Play,
    PlayNext,
    Resume,
    Seek,
    SetRate,
    Stop,
    TogglePaused,
)

from twinsight_replay.controls import Controls
from twinsight_replay.play_options import PlayOptions
from twinsight_replay.ros_times import to_ns
from twinsight_store.errors import ConfigurationError


class Services:
    """Serves the services of a node; they may be called several at a time."""

    def __init__(self, node: Node, controls: Controls) -> None:
        self._controls = controls
        self._log = node.get_logger()
        group = ReentrantCallbackGroup()

        def serve(kind: Any, name: str, answer: Callable[[Any, Any], object]) -> None:
            def call(request: Any, response: Any) -> Any:
                answer(request, response)
                return response

            node.create_service(kind, f'~/{name}', call, callback_group=group)

        serve(Pause, 'pause', lambda request, response: controls.pause())
        serve(Resume, 'resume', lambda request, response: controls.resume())
        serve(TogglePaused, 'toggle_paused', lambda request, response: controls.toggle_paused())
        serve(IsPaused, 'is_paused', self._is_paused)
        serve(GetRate, 'get_rate', self._get_rate)
        serve(SetRate, 'set_rate', self._set_rate)
        serve(PlayNext, 'play_next', self._play_next)
        serve(Burst, 'burst', self._burst)
        serve(Seek, 'seek', self._seek)
        serve(Stop, 'stop', lambda request, response: controls.stop())
        serve(Play, 'play', self._play)

    def _is_paused(self, request: Any, response: Any) -> None:
        response.paused = self._controls.status().paused

    def _get_rate(self, request: Any, response: Any) -> None:
        response.rate = self._controls.status().rate

    def _set_rate(self, request: Any, response: Any) -> None:
        response.success = self._controls.set_rate(request.rate)

    def _play_next(self, request: Any, response: Any) -> None:
        response.success = self._controls.play_next()

    def _burst(self, request: Any, response: Any) -> None:
        response.actually_burst = self._controls.burst(request.num_messages)

    def _seek(self, request: Any, response: Any) -> None:
        response.success = self._controls.seek(to_ns(request.time))

    def _play(self, request: Any, response: Any) -> None:
        """Play a part; a duration or an end of 0 or less stands for all that is left."""
        try:
            options = PlayOptions(
                offset_ns=to_ns(request.start_offset),
                duration_ns=_or_none(to_ns(request.playback_duration)),
                until_ns=_or_none(to_ns(request.playback_until_timestamp)),
            )
            response.success = self._controls.play(options)
        except ConfigurationError as error:
            self._log.error(f'play: {error}')
            response.success = False


def _or_none(limit_ns: int) -> int | None:
    return limit_ns if limit_ns > 0 else None
