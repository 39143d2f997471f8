"""Where a session plays to: the channels of its viewers."""

from __future__ import annotations

from collections.abc import Callable
import threading

from twinsight_bridge.playback.held_messages import HeldMessages
from twinsight_bridge.playback.seek_gate import SeekGate
from twinsight_bridge.playback.viewer_channels import ViewerChannels
from twinsight_replay.playing import Jump
from twinsight_store.message import Message


class ViewerSink:
    """
    Gives viewers the bytes of messages as they are, at their receive times; see Sink.

    A message without a subscriber costs next to nothing. Of each channel the latest one is kept
    for who subscribes later.
    """

    def __init__(
        self, channels: ViewerChannels, gate: SeekGate, on_jump: Callable[[int], object]
    ) -> None:
        """Make one; on_jump is called with the new time before any message of it is sent."""
        self._channels = channels
        self._gate = gate
        self._on_jump = on_jump
        self._held = HeldMessages()
        self._lock = threading.Lock()

    def publish(self, message: Message, late_ns: int) -> None:
        """Send a message that is due."""
        self._send(message)

    def latch(self, message: Message) -> None:
        """Send a message from before, which holds now."""
        self._send(message)

    def jump(self, jump: Jump) -> None:
        """Forget what held: the position jumped."""
        with self._lock:
            self._held.clear()
            self._gate.jumped()
        self._on_jump(jump.to_ns)

    def begin_seek(self) -> None:
        """Send nothing any more that is of before the jump that will come."""
        with self._lock:
            self._gate.begin()

    def greet(self, channel_id: int, everything: bool) -> None:
        """
        Send the latest message of a channel once more: somebody has subscribed to it.

        everything  also where it is not latched: the position stands still, so no other comes

        The others who have subscribed get it twice; it holds for them as well.
        """
        with self._lock:
            for message in self._held.of(channel_id):
                channel = self._channels.of(message)
                if channel is not None and (everything or message.channel.latched):
                    channel.log(message.data, log_time=_log_time(message))

    def _send(self, message: Message) -> None:
        if not self._gate.admits():
            return
        channel = self._channels.of(message)
        with self._lock:
            if channel is not None and not self._gate.is_dropping:
                self._held.keep(channel.id(), message)
                channel.log(message.data, log_time=_log_time(message))


def _log_time(message: Message) -> int:
    """Return the receive time as the protocol can tell it: it has none before 1970."""
    return max(0, message.receive_ns)
