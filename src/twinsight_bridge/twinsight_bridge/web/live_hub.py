"""
Live values and events from Redis, heard once for all clients.

One connection listens while there is any client, whatever their number; what it hears is put
into the clients' outboxes, which are bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
import logging
import time

import redis
from redis import asyncio as redis_asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from twinsight_bridge.web.live_outbox import Outbox
from twinsight_bridge.web.live_snapshot import event_of, told_of
from twinsight_bridge.web.robots import ONLINE_S
from twinsight_bridge.web.stores import Stores
from twinsight_bridge.web.streaming import ended
from twinsight_store.errors import RecordError, StoreUnavailableError, TwinsightError
from twinsight_store.live.connection import redis_errors, RedisSettings
from twinsight_store.live.layout import ALL_METRICS, events_key, parsed, robot_of, to_text
from twinsight_store.live.read import LiveLink, LiveRobot, LiveUpdate
from twinsight_store.live.read import robots as live_robots

MOST_CLIENTS = 200

_EVENTS = events_key('')
_ALL_EVENTS = _EVENTS + b'*'
_WAKE_S = 0.5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 3.0
_LOOK_S = 2.0

_log = logging.getLogger(__name__)


class LiveHub:
    """Follows Redis for its clients; all of it runs in one event loop."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._outboxes: set[Outbox] = set()
        self._link: LiveLink | None = None
        self._known: dict[str, LiveRobot] = {}
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def attached(self, outbox: Outbox) -> AsyncIterator[None]:
        """
        Fill an outbox during the block.

        Raises StoreUnavailableError where Redis is not set, or there are too many clients.
        """
        settings = self._stores.live
        if len(self._outboxes) >= MOST_CLIENTS:
            raise StoreUnavailableError(f'{MOST_CLIENTS} clients follow already: try again later')
        self._outboxes.add(outbox)
        if self._link is not None:
            outbox.put_link(self._link)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(settings))
        try:
            yield
        finally:
            self._outboxes.remove(outbox)
            if not self._outboxes:
                await self.close()

    async def close(self) -> None:
        """Stop to follow; the next client begins it anew."""
        task, self._task = self._task, None
        self._link, self._known = None, {}
        if task is not None:
            await ended(task)

    async def _run(self, settings: RedisSettings) -> None:
        # First, so that robots which come after a client's snapshot are told to it.
        await self._look_for_robots()
        await asyncio.gather(self._follow(settings), self._keep_looking())

    async def _follow(self, settings: RedisSettings) -> None:
        """Hear what is written, and say so where that ends and begins again."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                with redis_errors(settings):
                    async for each in _heard(settings):
                        pause_s = _FIRST_PAUSE_S
                        self._put(each)
            except TwinsightError as error:
                if self._link is None or self._link.connected:
                    self._tell(LiveLink(False, str(error)))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _keep_looking(self) -> None:
        """Tell of robots that come, go, or change their mission: who goes does not say so."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for robot in await self._look_for_robots():
                for outbox in self._outboxes:
                    outbox.put_robot(robot.robot_id, told_of(robot))

    async def _look_for_robots(self) -> list[LiveRobot]:
        """Return the robots that are not as they were when this was asked last."""
        try:
            found = await self._stores.ask_live(lambda live: live_robots(live, ONLINE_S))
        except TwinsightError:
            return []  # the link says so
        changed = [
            robot for robot in found if not _is_same(robot, self._known.get(robot.robot_id))
        ]
        self._known = {robot.robot_id: robot for robot in found}
        return changed

    def _put(self, heard: LiveLink | tuple[bytes, bytes]) -> None:
        if isinstance(heard, LiveLink):
            self._tell(heard)
            return
        channel, data = heard
        is_event = channel.startswith(_EVENTS)
        robot_id = to_text(channel[len(_EVENTS):]) if is_event else robot_of(channel)
        outboxes = [outbox for outbox in self._outboxes if outbox.wants(robot_id)]
        if not outboxes:
            return
        try:
            if is_event:
                event = event_of(channel, data, robot_id)
                for outbox in outboxes:
                    outbox.put_event(event)
            else:
                update = LiveUpdate(
                    robot_id, *parsed(channel, data, 'time_ns', 'mission_id', 'values')
                )
                for outbox in outboxes:
                    outbox.put_values(update)
        except RecordError as error:
            _log.warning('%s', error)

    def _tell(self, link: LiveLink) -> None:
        self._link = link
        for outbox in self._outboxes:
            outbox.put_link(link)


def _is_same(robot: LiveRobot, before: LiveRobot | None) -> bool:
    return before is not None and (
        (robot.online, robot.mission_id) == (before.online, before.mission_id)
    )


async def _heard(settings: RedisSettings) -> AsyncIterator[LiveLink | tuple[bytes, bytes]]:
    """Give a LiveLink when all channels are heard, then channel and data of what is published."""
    client = redis_asyncio.Redis.from_url(
        settings.url, socket_timeout=settings.timeout_s,
        socket_connect_timeout=settings.timeout_s, socket_keepalive=True,
        retry=Retry(NoBackoff(), 0), protocol=2, client_name='twinsight-live',
    )
    async with aclosing(client), aclosing(client.pubsub()) as channels:
        await channels.psubscribe(ALL_METRICS, _ALL_EVENTS)
        wanted = 2
        heard_s, asked = time.monotonic(), False
        while True:
            message = await channels.get_message(timeout=_WAKE_S)
            if message is not None:
                heard_s, asked = time.monotonic(), False
                if message['type'] == 'psubscribe':
                    wanted -= 1
                    if not wanted:
                        yield LiveLink(True)
                elif message['type'] == 'pmessage':
                    yield message['channel'], message['data']
            elif time.monotonic() - heard_s > settings.timeout_s:
                if asked:
                    raise redis.TimeoutError(f'silent for {settings.timeout_s:g} s')
                await channels.ping()
                heard_s, asked = time.monotonic(), True
