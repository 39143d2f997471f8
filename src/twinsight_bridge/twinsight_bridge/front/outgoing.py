"""What waits to be sent to one viewer, bounded in bytes, and what was left out for that."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

MAX_AGE_NS = 1_000_000_000
"""Of messages that wait longer than this, a viewer gets only the latest of each topic."""

IN_ORDER_BYTES = 256_000
"""While no more waits, all messages leave in the order in which they came."""


class Loss(NamedTuple):
    """Messages of one flow that a viewer did not get."""

    messages: int
    size: int


class _Waiting(NamedTuple):
    number: int
    finish: int
    arrived_ns: int
    frame: bytes


class _Flow:
    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.size = 0
        self.finish = 0
        self.keep_latest = False
        self.lost = Loss(0, 0)

    def drop_oldest(self) -> int:
        size = len(self.waiting.popleft().frame)
        self.size -= size
        self.lost = Loss(self.lost.messages + 1, self.lost.size + size)
        return size


class Outgoing:
    """
    The frames that wait for one viewer.

    A flow is one subscription. While little waits, messages leave in the order in which they
    came. Where more does, flows share the connection as in start-time fair queueing (Goyal, Vin,
    Cheng, 1996), by bytes: a small message does not wait for a big flow's backlog. Where more
    than the limit waits, the biggest flow loses its oldest messages first. The latest message
    of a flow goes only where nothing else is left, and never where the flow is said to keep it.

    So at most this many bytes wait: the limit, or one frame that is bigger; the kept frames; and
    the control frames, whose size the owner looks at.
    """

    def __init__(self, limit_bytes: int) -> None:
        """Make an empty one; limit_bytes bounds the data frames."""
        self.size = 0
        self.control_size = 0
        self._limit_bytes = limit_bytes
        self._control: deque[str | bytes] = deque()
        self._flows: dict[int, _Flow] = {}
        self._busy: dict[int, _Flow] = {}
        self._now = 0
        self._number = 0

    def add_control(self, frame: str | bytes) -> None:
        """Add a frame that is sent before all data and is never left out."""
        self._control.append(frame)
        self.control_size += len(frame)

    def add(self, flow_id: int, frame: bytes, arrived_ns: int, keep_latest: bool = False) -> None:
        """Add a message of a flow; arrived_ns is the monotonic clock's."""
        flow = self._flows.get(flow_id)
        if flow is None:
            flow = self._flows[flow_id] = _Flow()
        flow.keep_latest = keep_latest
        flow.finish = max(self._now, flow.finish) + len(frame)
        self._number += 1
        flow.waiting.append(_Waiting(self._number, flow.finish, arrived_ns, frame))
        flow.size += len(frame)
        self._busy[flow_id] = flow
        self.size += len(frame)
        while self.size > self._limit_bytes and self._make_room():
            pass

    def take(self, now_ns: int) -> str | bytes | None:
        """Return what is to be sent next, or None; now_ns is the monotonic clock's."""
        if self._control:
            frame = self._control.popleft()
            self.control_size -= len(frame)
            return frame
        if not self._busy:
            return None
        order = _number_of_first if self.size <= IN_ORDER_BYTES else _finish_of_first
        flow_id, flow = min(self._busy.items(), key=order)
        while len(flow.waiting) > 1 and now_ns - flow.waiting[0].arrived_ns > MAX_AGE_NS:
            self.size -= flow.drop_oldest()
        first = flow.waiting.popleft()
        self._now = max(self._now, first.finish - len(first.frame))
        flow.size -= len(first.frame)
        self.size -= len(first.frame)
        if not flow.waiting:
            del self._busy[flow_id]
        return first.frame

    def forget_waiting(self) -> None:
        """Drop all data: it is of a time that the viewer has left. It does not count as lost."""
        for flow in self._busy.values():
            flow.waiting.clear()
            flow.size = 0
        self._busy.clear()
        self.size = 0

    def end_flow(self, flow_id: int) -> Loss:
        """Forget a flow and what waits of it; return what it lost before."""
        flow = self._flows.pop(flow_id, None)
        if flow is None:
            return Loss(0, 0)
        self._busy.pop(flow_id, None)
        self.size -= flow.size
        return flow.lost

    def losses(self) -> dict[int, Loss]:
        """Return what each flow lost, of those that lost anything."""
        return {each: flow.lost for each, flow in self._flows.items() if flow.lost.messages}

    def _make_room(self) -> bool:
        """Drop one message; return False where there is none that may go."""
        victims = [each for each in self._busy.items() if len(each[1].waiting) > 1]
        if not victims and len(self._busy) > 1:
            victims = [each for each in self._busy.items() if not each[1].keep_latest]
        if not victims:
            return False
        flow_id, flow = max(victims, key=_size)
        self.size -= flow.drop_oldest()
        if not flow.waiting:
            del self._busy[flow_id]
        return True


def _number_of_first(item: tuple[int, _Flow]) -> int:
    return item[1].waiting[0].number


def _finish_of_first(item: tuple[int, _Flow]) -> int:
    return item[1].waiting[0].finish


def _size(item: tuple[int, _Flow]) -> int:
    return item[1].size
