"""From the thread that takes messages to the viewers that look at their channels."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from twinsight_bridge.front import protocol
from twinsight_bridge.front.viewer import Viewer
from twinsight_bridge.live.kept import Kept

LIMIT_BYTES = 32_000_000
"""So much may wait for the event loop; small messages may be as much again."""

_SMALL_BYTES = 64_000
_MOST_IN_ONE_TURN = 64


class Arrived(NamedTuple):
    """
    A message as it was taken.

    log_ns  the time that viewers see
    """

    channel_id: int
    publisher: bytes
    log_ns: int
    data: bytes


class Distribution:
    """
    Hands messages to the queue of each viewer that has subscribed; keeps what late ones get.

    offer() and flush() are for the thread that takes, all else for the event loop. What the event
    loop is too slow for is left out and counted, so memory stays bounded also then.

    left_out  messages that no viewer got for that reason, by channel
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make one without viewers."""
        self.left_out: dict[int, int] = {}
        self._loop = loop
        self._arrived: deque[Arrived] = deque()
        self._offered_bytes = 0
        self._delivered_bytes = 0
        self._is_called = False
        self._viewers: dict[int, dict[Viewer, int]] = {}
        self._kept: dict[int, Kept] = {}

    def offer(self, message: Arrived, is_kept: bool) -> None:
        """Take a message for the viewers; is_kept where it is of a latched topic."""
        size = len(message.data)
        waiting = self._offered_bytes - self._delivered_bytes
        limit = 2 * LIMIT_BYTES if size <= _SMALL_BYTES else LIMIT_BYTES
        if waiting + size > limit and waiting and not is_kept:
            channel = message.channel_id
            self.left_out[channel] = self.left_out.get(channel, 0) + 1
            return
        self._offered_bytes += size
        self._arrived.append(message)

    def flush(self) -> None:
        """Have what was offered delivered."""
        if self._arrived and not self._is_called:
            self._is_called = True
            self._loop.call_soon_threadsafe(self._deliver)

    def open(self, channel_id: int, latched_type: str = '') -> None:
        """Begin with a channel; one of a latched topic names its type, and is kept."""
        self._viewers[channel_id] = {}
        self.keep(channel_id, latched_type)

    def keep(self, channel_id: int, latched_type: str) -> None:
        """Keep the last messages of a channel from now on, where it is latched."""
        self._kept.pop(channel_id, None)
        if latched_type:
            self._kept[channel_id] = Kept(latched_type)

    def close(self, channel_id: int) -> None:
        """End with a channel."""
        self._viewers.pop(channel_id, None)
        self._kept.pop(channel_id, None)
        self.left_out.pop(channel_id, None)

    def subscribe(self, viewer: Viewer, flow: int, channel_id: int) -> bool:
        """Give a viewer what holds of a channel, and all that comes; False for no channel."""
        viewers = self._viewers.get(channel_id)
        if viewers is None or viewer in viewers:
            return False
        viewers[viewer] = flow
        for log_ns, data in self._kept.get(channel_id, ()):
            viewer.give(flow, protocol.message_frame(flow, log_ns, data), True)
        return True

    def unsubscribe(self, viewer: Viewer, channel_id: int) -> None:
        """Give a viewer no more of a channel."""
        self._viewers.get(channel_id, {}).pop(viewer, None)

    def _deliver(self) -> None:
        self._is_called = False  # what is offered from now on needs another call
        for _ in range(_MOST_IN_ONE_TURN):
            if not self._arrived:
                return
            self._give(self._arrived.popleft())
        if self._arrived and not self._is_called:
            self._is_called = True
            self._loop.call_soon(self._deliver)

    def _give(self, message: Arrived) -> None:
        channel_id, publisher, log_ns, data = message
        self._delivered_bytes += len(data)
        kept = self._kept.get(channel_id)
        if kept is not None:
            kept.add(publisher, log_ns, data)
        flow, frame = -1, b''
        for viewer, viewers_flow in self._viewers.get(channel_id, {}).items():
            if viewers_flow != flow:  # viewers of one kind number alike: most share the frame
                flow, frame = viewers_flow, protocol.message_frame(viewers_flow, log_ns, data)
            viewer.give(flow, frame, kept is not None)
