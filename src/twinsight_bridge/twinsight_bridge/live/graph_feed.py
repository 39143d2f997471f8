"""
The connection graph to the viewers that ask for it.

foxglove-sdk would do it, but 0.30 stops for ever where a viewer subscribes or leaves while a graph
is published: one holds the lock and waits for Python, the other Python and waits for the lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import json
from typing import Any

from twinsight_bridge.front.viewer import Viewer
from twinsight_bridge.live.connection_graph import ConnectionGraph


class GraphFeed:
    """Tells each viewer that has subscribed what changed; used within the event loop."""

    def __init__(self, read: Callable[[], ConnectionGraph]) -> None:
        """Make one; read gives the graph of now, in any thread."""
        self._read = read
        self._told: dict[Viewer, ConnectionGraph] = {}

    @property
    def is_watched(self) -> bool:
        """Return whether a viewer has subscribed."""
        return bool(self._told)

    async def subscribe(self, viewer: Viewer, request: dict[str, Any]) -> None:
        """Obey ``subscribeConnectionGraph``."""
        if viewer in self._told:
            return
        self._told[viewer] = ConnectionGraph()
        graph = await asyncio.to_thread(self._read)
        if viewer in self._told:  # it may have left meanwhile
            self._tell(viewer, graph)

    async def unsubscribe(self, viewer: Viewer, request: dict[str, Any]) -> None:
        """Obey ``unsubscribeConnectionGraph``."""
        self.leave(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self._told.pop(viewer, None)

    def publish(self, graph: ConnectionGraph) -> None:
        """Tell all who have subscribed."""
        for viewer in tuple(self._told):
            self._tell(viewer, graph)

    def _tell(self, viewer: Viewer, graph: ConnectionGraph) -> None:
        update = graph.update_from(self._told[viewer])
        self._told[viewer] = graph
        if update is not None:
            viewer.tell(json.dumps(update))
