"""What operators ask of a session: play, pause, go to a time, at a speed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
import threading
from typing import Any, NamedTuple

from twinsight_bridge.playback.order import allowed_rate, Order
from twinsight_bridge.playback.seek_gate import SeekGate
from twinsight_bridge.playback.viewer_sink import ViewerSink
from twinsight_replay.player import Player
from twinsight_replay.playing import State, Status


class Done(NamedTuple):
    """What the player does then, and whether it went to another time."""

    status: Status
    did_seek: bool


class PlaybackControl:
    """
    Has a player obey orders, one at a time, from any thread.

    lock  is held while one is obeyed; who tells the state holds it too
    """

    def __init__(self, player: Player, sink: ViewerSink, gate: SeekGate) -> None:
        self.lock = threading.RLock()
        self._player = player
        self._sink = sink
        self._gate = gate

    def status(self) -> Status:
        """Return what the player does; one that has not begun waits, or stands still."""
        status = self._player.status()
        if status.state is State.STARTING:
            state = State.PAUSED if status.paused else State.WAITING
            return status._replace(state=state)
        return status

    def done(self, did_seek: bool) -> Done:
        """Return what there is to tell; after a seek, that it waits for messages is no news."""
        status = self.status()
        if did_seek and status.state is State.WAITING:
            status = status._replace(state=State.PLAYING)
        return Done(status, did_seek)

    def obey(self, order: Order, tell: Callable[[Done], object] = lambda _: None) -> Done:
        """
        Do what an order says; return what came of it.

        tell  is called with it before any message of a new time is sent
        """
        with self.lock:
            order = self._completed(order)
            if order.seek_ns is not None:
                self._sink.begin_seek()
            try:
                self._player.do(lambda answer: self._apply(order, answer)).result()
            except CancelledError:
                pass  # playing has ended for good
            finally:
                done = self.done(did_seek=order.seek_ns is not None)
                tell(done)
                if done.did_seek:
                    self._gate.answered()
            return done

    def _completed(self, order: Order) -> Order:
        status = self._player.status()
        if order.play and order.seek_ns is None and status.state is State.FINISHED:
            order = order._replace(seek_ns=status.start_ns)
        if order.seek_ns is not None:
            to_ns = min(max(order.seek_ns, status.start_ns), status.end_ns)
            order = order._replace(seek_ns=to_ns)
        return order

    def _apply(self, order: Order, answer: Future[Any]) -> None:
        """Run in the thread that plays, so that nothing is played in between."""
        player = self._player
        if order.rate is not None:
            player.set_rate(allowed_rate(order.rate), Future())
        if order.play is not None:
            player.set_paused(not order.play, Future())
        if order.seek_ns is not None:
            player.seek(order.seek_ns, Future())
        answer.set_result(None)
