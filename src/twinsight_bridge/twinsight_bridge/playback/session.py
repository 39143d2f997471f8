"""A replay session that viewers connect to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twinsight_bridge.playback.errors import QueryError
from twinsight_bridge.playback.order import Order
from twinsight_bridge.playback.session_child import SessionChild
from twinsight_bridge.playback.session_query import SessionQuery
from twinsight_store.selection import Selection
from twinsight_store.times import format_span, format_time


class Session:
    """
    A session that is ready.

    id       its name
    port     where viewers connect, on loopback
    latched  ids of the channels whose last message holds
    pid      the process that plays
    viewers  how many are connected
    """

    def __init__(
        self, session_id: str, query: SessionQuery, child: SessionChild, grace_s: float,
        on_lonely: Callable[[], object],
    ) -> None:
        """Make one; on_lonely is called when no viewer has been there for grace_s."""
        self.id = session_id
        self.query = query
        self.port: int = child.ready['port']
        self.latched: frozenset[int] = frozenset(child.ready['latched'])
        self.pid = child.pid
        self.viewers = 0
        self._child = child
        self._grace_s = grace_s
        self._on_lonely = on_lonely
        self._waiting: asyncio.TimerHandle | None = None
        self._wait()

    @property
    def span_ns(self) -> tuple[int, int]:
        """Return when its messages begin and end (Unix ns), to within a chunk."""
        start_ns, end_ns = self._child.ready['span_ns']
        return start_ns, end_ns

    @contextmanager
    def viewer(self) -> Iterator[None]:
        """Count a viewer while the block runs: a session without any ends after a while."""
        self.viewers += 1
        self._stop_waiting()
        try:
            yield
        finally:
            self.viewers -= 1
            if not self.viewers:
                self._wait()

    async def control(self, order: Order) -> dict[str, Any]:
        """
        Have it obey an order; return what describe() does, when it is done.

        Raises QueryError for a time that it does not have, SessionEndedError.
        """
        start_ns, end_ns = self.span_ns
        if order.seek_ns is not None and not start_ns <= order.seek_ns <= end_ns:
            raise QueryError('seek', (
                f'{format_time(order.seek_ns)}: accepted is {format_span(start_ns, end_ns)}, '
                'which the session plays'
            ))
        return self._described(await self._child.obey(order))

    def describe(self) -> dict[str, Any]:
        """Return what it plays and where it is, as JSON has it."""
        return self._described(self._child.state)

    def _described(self, state: dict[str, Any]) -> dict[str, Any]:
        return {
            'id': self.id,
            'selection': _as_json(self.query.selection),
            'text': self.query.selection.describe(),
            'span_ns': list(self.span_ns),
            'position': format_time(state['position_ns']),
            'topics': self._child.ready['topics'],
            'viewers': self.viewers,
            **state,
        }

    async def ended(self) -> str:
        """Return why it ended, when it has."""
        return str(await self._child.ended())

    async def close(self) -> None:
        """End it; viewers are disconnected."""
        self._stop_waiting()
        await self._child.close()

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_later(self._grace_s, self._on_lonely)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None


def _as_json(selection: Selection) -> dict[str, Any]:
    return {
        'robot': list(selection.robots), 'mission': list(selection.missions),
        'sensor': list(selection.sensors), 'topic': list(selection.topics),
        'from_ns': selection.from_ns, 'to_ns': selection.to_ns, 'label': dict(selection.labels),
    }
