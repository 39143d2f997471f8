"""
Parameters to the viewers that get, set and watch them.

foxglove-sdk would do it, but 0.30 stops for ever where a viewer subscribes while values are
published (see graph_feed), and waits in one of its few threads for a node that is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import json
from typing import Any

from rcl_interfaces.msg import ParameterEvent

from twinsight_bridge.front.viewer import Viewer
from twinsight_bridge.live.parameters import LiveParameters

_MOST_WATCHED = 10_000


class ParameterFeed:
    """Answers the viewers' requests about parameters; used within the event loop."""

    def __init__(self, parameters: LiveParameters, on_watching: Callable[[], object]) -> None:
        """Make one without viewers; on_watching is called where is_watched may have changed."""
        self._parameters = parameters
        self._on_watching = on_watching
        self._watched: dict[Viewer, set[str]] = {}

    @property
    def is_watched(self) -> bool:
        """Return whether a viewer wants to hear of changes."""
        return bool(self._watched)

    async def get(self, viewer: Viewer, request: dict[str, Any]) -> None:
        """Obey ``getParameters``: those that are named, or all."""
        names = _texts(request.get('parameterNames'))
        await self._parameters.fetch(names)
        _tell(viewer, self._parameters.known(names), request.get('id'))

    async def set(self, viewer: Viewer, request: dict[str, Any]) -> None:
        """Obey ``setParameters``; answer with what the parameters are then."""
        given = request.get('parameters')
        wanted = [
            each for each in (given if isinstance(given, list) else ())
            if isinstance(each, dict) and isinstance(each.get('name'), str)
        ]
        problems = await self._parameters.change(wanted)
        if problems:
            viewer.warn(problems)
        names = [each['name'] for each in wanted]
        _tell(viewer, self._parameters.known(names) if names else [], request.get('id'))

    async def subscribe(self, viewer: Viewer, request: dict[str, Any]) -> None:
        """Obey ``subscribeParameterUpdates``: those that are named, or all that there are."""
        names = _texts(request.get('parameterNames'))
        watched = self._watched.setdefault(viewer, set())  # no more theirs once they leave
        self._on_watching()
        if not names:
            await self._parameters.fetch(names)
            names = [each['name'] for each in self._parameters.known(names)]
        watched.update(names[:_MOST_WATCHED - len(watched)])

    async def unsubscribe(self, viewer: Viewer, request: dict[str, Any]) -> None:
        """Obey ``unsubscribeParameterUpdates``: those that are named, or all."""
        names = _texts(request.get('parameterNames'))
        watched = self._watched.get(viewer, set())
        watched.difference_update(names)
        if not names or not watched:
            self.leave(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self._watched.pop(viewer, None)
        self._on_watching()

    def changed(self, event: ParameterEvent) -> None:
        """Tell those who watch what a node says of its parameters."""
        changed = self._parameters.changed(event)
        for viewer, names in self._watched.items():
            theirs = [each for each in changed if each['name'] in names]
            if theirs:
                _tell(viewer, theirs, None)


def _tell(viewer: Viewer, shown: Sequence[dict[str, Any]], request_id: object) -> None:
    told: dict[str, Any] = {'op': 'parameterValues', 'parameters': shown}
    if isinstance(request_id, str):
        told['id'] = request_id
    viewer.tell(json.dumps(told))


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
