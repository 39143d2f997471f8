"""Telling where playing is: to the viewers, and to who started the session."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from twinsight_bridge.playback.audience import Audience
from twinsight_bridge.playback.order import Order
from twinsight_bridge.playback.playback_control import Done, PlaybackControl
from twinsight_bridge.playback.seek_gate import SeekGate
from twinsight_bridge.playback.viewer_server import ViewerServer
from twinsight_replay.playing import State, Status

PERIOD_S = 0.05

_REPEAT_S = 1.0
_PATIENCE_S = 0.25
_PARENT_S = 0.5


class Teller:
    """
    Looks at the player when tick() is called, every PERIOD_S.

    Viewers hear of every change of state, of the position as it moves, and of both once a
    second, so that one who has just come knows them too. Nothing is told while a seek is under
    way: it might be of the time before. The parent hears of changes, and twice a second.
    """

    def __init__(
        self, control: PlaybackControl, gate: SeekGate, audience: Audience, server: ViewerServer,
        tell_parent: Callable[[Status], Any],
    ) -> None:
        self._control = control
        self._gate = gate
        self._audience = audience
        self._server = server
        self._tell_parent = tell_parent
        self._waits_since_s: float | None = None
        self._told: tuple[State, float] | None = None
        self._told_s = 0.0
        self._told_ns = -1
        self._parent_s = 0.0
        self._parent_state: State | None = None

    def tick(self) -> None:
        """Tell what is to be told now."""
        now_s = time.monotonic()
        with self._control.lock:
            self._mind_audience(now_s)
            status = self._patient(self._control.status(), now_s)
            if self._gate.is_open():
                self._tell_viewers(status, now_s)
            if now_s - self._parent_s >= _PARENT_S or status.state is not self._parent_state:
                self._parent_s, self._parent_state = now_s, status.state
                self._tell_parent(status)  # within the lock: never after what is done next

    def _mind_audience(self, now_s: float) -> None:
        state = self._control.status().state
        wish = self._audience.wish(state in (State.PLAYING, State.WAITING), now_s)
        if wish is not None:
            self._control.obey(Order(play=wish))

    def _patient(self, status: Status, now_s: float) -> Status:
        """Return a status that waits only where it has for a while, as after no usual seek."""
        if status.state is not State.WAITING:
            self._waits_since_s = None
            return status
        if self._waits_since_s is None:
            self._waits_since_s = now_s
        is_long = now_s - self._waits_since_s >= _PATIENCE_S
        return status if is_long else status._replace(state=State.PLAYING)

    def _tell_viewers(self, status: Status, now_s: float) -> None:
        is_due = now_s - self._told_s >= _REPEAT_S
        if is_due or self._told != (status.state, status.rate):
            self._told, self._told_s = (status.state, status.rate), now_s
            self._server.tell_state(Done(status, did_seek=False))
        if is_due or self._told_ns != status.position_ns:
            self._told_ns = status.position_ns
            self._server.tell_time(status.position_ns)
