"""The server that the viewers of a session connect to, on loopback."""

from __future__ import annotations

import threading
import time
from types import TracebackType

import foxglove
from foxglove.websocket import (
    Capability,
    ChannelView,
    Client,
    PlaybackCommand,
    PlaybackControlRequest,
    PlaybackState,
    PlaybackStatus,
    ServerListener,
)

from twinsight_bridge.playback.audience import Audience
from twinsight_bridge.playback.order import Order
from twinsight_bridge.playback.playback_control import Done, PlaybackControl
from twinsight_bridge.playback.viewer_sink import ViewerSink
from twinsight_replay.playing import State

_BACKLOG = 512
"""
Messages, and control frames, that wait for a viewer. The bridge reads at once, so they do not; of
times and states some 20 a second come, so one that stalls has 25 s.
"""

_STOP_S = 1.0

_STATUSES = {
    State.PLAYING: PlaybackStatus.Playing,
    State.PAUSED: PlaybackStatus.Paused,
    State.WAITING: PlaybackStatus.Buffering,
    State.FINISHED: PlaybackStatus.Ended,
}
_STANDING = (State.PAUSED, State.FINISHED)


class ViewerServer:
    """
    Serves viewers while its block runs; tells them position and state.

    port  where it listens
    """

    def __init__(
        self, name: str, session_id: str, context: foxglove.Context, span_ns: tuple[int, int],
        control: PlaybackControl, sink: ViewerSink, audience: Audience,
    ) -> None:
        self.port = 0
        self._name = name
        self._session_id = session_id
        self._context = context
        self._span_ns = span_ns
        self._listener = _Listener(control, sink, audience)

    def __enter__(self) -> ViewerServer:
        foxglove.set_log_level('ERROR')
        self._server = foxglove.start_server(
            name=self._name, host='127.0.0.1', port=0,
            capabilities=[Capability.PlaybackControl, Capability.Time],
            server_listener=self._listener, context=self._context, session_id=self._session_id,
            playback_time_range=(max(0, self._span_ns[0]), max(0, self._span_ns[1])),
            message_backlog_size=_BACKLOG,
        )
        self.port = self._server.port
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # It waits for viewers to take what was sent to them, which one that is stuck never does.
        stopping = threading.Thread(target=self._server.stop, daemon=True)
        stopping.start()
        stopping.join(_STOP_S)

    def tell_state(self, done: Done) -> None:
        """Tell viewers what the player does now."""
        self._server.broadcast_playback_state(_state(done))

    def tell_time(self, position_ns: int) -> None:
        """Tell viewers the position."""
        self._server.broadcast_time(max(0, position_ns))

    def warn(self, text: str) -> None:
        """Show viewers a warning."""
        self._server.publish_status(text, foxglove.StatusLevel.Warning)

    def fail(self, text: str) -> None:
        """Show viewers why it ends."""
        self._server.publish_status(text, foxglove.StatusLevel.Error)


class _Listener(ServerListener):
    """Hears what viewers ask for, in the threads of the server."""

    def __init__(
        self, control: PlaybackControl, sink: ViewerSink, audience: Audience
    ) -> None:
        self._control = control
        self._sink = sink
        self._audience = audience

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:
        self._audience.subscribed(client.id, channel.id, time.monotonic())
        self._sink.greet(channel.id, self._control.status().state in _STANDING)

    def on_unsubscribe(self, client: Client, channel: ChannelView) -> None:
        self._audience.unsubscribed(client.id, channel.id, time.monotonic())

    def on_playback_control_request(
        self, playback_control_request: PlaybackControlRequest
    ) -> PlaybackState:
        request = playback_control_request
        with self._control.lock:
            self._audience.decided()
            return _state(self._control.obey(Order(
                request.playback_command == PlaybackCommand.Play, request.seek_time,
                request.playback_speed,
            )))


def _state(done: Done) -> PlaybackState:
    """Return a state in the SDK's form; it adds the id of the request that it answers."""
    status = done.status
    return PlaybackState(
        _STATUSES[status.state], max(0, status.position_ns), status.rate, done.did_seek, None
    )
