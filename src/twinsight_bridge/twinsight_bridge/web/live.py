"""WebSocket /live: the values and alerts of robots as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
import json
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from twinsight_bridge.web.live_hub import LiveHub
from twinsight_bridge.web.live_outbox import Key, Outbox, Waiting
from twinsight_bridge.web.live_snapshot import snapshot
from twinsight_bridge.web.metric_query import NameQuery
from twinsight_bridge.web.moments import iso_time
from twinsight_bridge.web.selection_query import Robots
from twinsight_bridge.web.stores import Stores
from twinsight_bridge.web.streaming import ended
from twinsight_store.errors import TwinsightError
from twinsight_store.live.read import LiveLink

FRAME_S = 0.05
"""Frames of one client are so far apart; what comes meanwhile is in the next."""

_AGAIN_S = 1.0
_FORBIDDEN = 4403
_TRY_AGAIN = 1013

DESCRIPTION = """\
`WS /live?robot=…&name=…` (both may be repeated; names may be patterns such as `odom.*`) sends
JSON objects, which `type` tells apart:

* `snapshot`, first, and again whenever Redis was away: `robots` (as in `GET /robots`, without
  `stored`) and `events` (the last 20 of each robot);
* `values`: `robot_id`, `values`: name → `value`, `time`, `mission_id`. At most 20 a second; what
  a metric had in between is left out;
* `event`: what `GET /events` has of one;
* `robot`: `robot_id`, `online`, `last_seen`, `mission_id`, when it came, went, or changed its
  mission;
* `link`: `connected`, and `problem` where Redis is away; it is asked again until it is back;
* `lost`: `count` of events and values that were dropped as the client took them too slowly.

What the client sends is ignored.
"""

router = APIRouter(tags=['live'])


@router.websocket('/live')
async def live(websocket: WebSocket, name: NameQuery, robot: Robots = ()) -> None:
    """Send live values; see DESCRIPTION."""
    if not _is_allowed(websocket):
        await websocket.close(_FORBIDDEN, 'this page may not read the values: see --allow-origin')
        return
    await websocket.accept()
    outbox = Outbox(robot, name)
    hub: LiveHub = websocket.app.state.live_hub
    stores: Stores = websocket.app.state.stores
    try:
        async with hub.attached(outbox):
            sending = asyncio.ensure_future(_send(websocket, outbox, stores))
            leaving = asyncio.ensure_future(_gone(websocket))
            try:
                await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()
            finally:
                await ended(sending, leaving)
    except WebSocketDisconnect:
        pass
    except TwinsightError as error:
        await websocket.close(_TRY_AGAIN, str(error)[:100])


def _is_allowed(websocket: WebSocket) -> bool:
    """Return whether the page that asks may: browsers leave that to the server."""
    origins = websocket.app.state.settings.origins
    origin = websocket.headers.get('origin')
    if origin is None or '*' in origins or origin in origins:
        return True
    return urlsplit(origin).netloc == websocket.headers.get('host')  # the page of this server


async def _send(websocket: WebSocket, outbox: Outbox, stores: Stores) -> None:
    known = _Known({})
    while True:
        waiting = await outbox.take()
        if waiting.link is not None:
            known = await _send_link(websocket, waiting.link, outbox, stores)
        for told in _messages(waiting, known):
            await _send_json(websocket, told)
        if waiting.link is None:
            known = _Known({})
        await asyncio.sleep(FRAME_S)


async def _send_link(
    websocket: WebSocket, link: LiveLink, outbox: Outbox, stores: Stores
) -> _Known:
    """Send why Redis is away or, where it is there, a snapshot; return what that had."""
    told = False
    while True:
        problem = link.problem
        if link.connected:
            try:
                found = await stores.ask_live(
                    lambda live: snapshot(live, outbox.wants, outbox.means)
                )
            except TwinsightError as error:
                problem = str(error)
            else:
                await _send_json(websocket, found)
                return _Known(found)
        if not told:
            away = {'type': 'link', 'connected': False, 'problem': problem}
            await _send_json(websocket, away)
            told = True
        if not link.connected:
            return _Known({})
        await asyncio.sleep(_AGAIN_S)


class _Known:
    """What a snapshot had: what was published until then comes a second time."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.events: Sequence[Any] = found.get('events', ())
        self._times = {
            (robot['robot_id'], name): metric['time']
            for robot in found.get('robots', ()) for name, metric in robot['metrics'].items()
        }

    def has(self, key: Key, time: str) -> bool:
        """Return whether a value is no newer than that of the snapshot; times as ISO 8601."""
        return time <= self._times.get(key, '')


def _messages(waiting: Waiting, known: _Known) -> Iterator[dict[str, Any]]:
    if waiting.lost:
        yield {'type': 'lost', 'count': waiting.lost}
    for robot in waiting.robots.values():
        yield {'type': 'robot', **robot}
    by_robot: dict[str, dict[str, Any]] = {}
    for (robot_id, name), sample in waiting.values.items():
        time = iso_time(sample.time_ns)
        if not known.has((robot_id, name), time):
            by_robot.setdefault(robot_id, {})[name] = {
                'value': sample.value, 'time': time, 'mission_id': sample.mission_id,
            }
    for robot_id, values in by_robot.items():
        yield {'type': 'values', 'robot_id': robot_id, 'values': values}
    for event in waiting.events:
        if event not in known.events:
            yield {'type': 'event', **event}


async def _send_json(websocket: WebSocket, told: Mapping[str, Any]) -> None:
    await websocket.send_text(json.dumps(told, separators=(',', ':'), ensure_ascii=False))


async def _gone(websocket: WebSocket) -> None:
    while (await websocket.receive())['type'] != 'websocket.disconnect':
        pass
