"""What the tests of the front share: a real server without ROS, with a front before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
import threading
from typing import Any

from foxglove import Channel, Context, Schema, start_server
from foxglove.websocket import ChannelView, Client, ServerListener
import pytest
from pytest_foxglove import FoxgloveViewer

from twinsight_bridge.front.front import Front
from twinsight_bridge.front.settings import FrontSettings
from twinsight_bridge.front.viewer import Server


class Subscriptions(ServerListener):
    """Counts the subscriptions that there are."""

    def __init__(self) -> None:
        self.count = 0

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:
        self.count += 1

    def on_unsubscribe(self, client: Client, channel: ChannelView) -> None:
        self.count -= 1


class Fronted:
    """A server with channels to log on, and the front that viewers connect to."""

    def __init__(self, settings: FrontSettings, viewers: list[FoxgloveViewer]) -> None:
        self.url = ''
        self.context = Context()
        self._settings = settings
        self._viewers = viewers
        self.subscriptions = Subscriptions()
        self._sdk = start_server(
            port=0, context=self.context, server_listener=self.subscriptions
        )
        self._loop = asyncio.new_event_loop()
        self.front = Front(settings, self._opened)

    @contextmanager
    def running(self) -> Iterator[Fronted]:
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            port = self._on_loop(self.front.start())
            self.url = f'{"wss" if self._settings.tls else "ws"}://127.0.0.1:{port}'
            yield self
        finally:
            self._on_loop(self.front.stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()
            self._sdk.stop()

    def channel(self, topic: str) -> Channel:
        schema = Schema(name='std_msgs/msg/String', encoding='ros2msg', data=b'string data')
        return Channel(topic, message_encoding='cdr', schema=schema, context=self.context)

    def viewer(self, **options: Any) -> FoxgloveViewer:
        self._viewers.append(FoxgloveViewer(self.url, **options))
        return self._viewers[-1]

    def _on_loop(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Server]:
        yield Server(self._sdk.port)


@pytest.fixture
def start_front(viewers: list[FoxgloveViewer]) -> Iterator[Callable[..., Fronted]]:
    """Return a function that starts a front with the given settings, on loopback."""
    started: list[Any] = []

    def start(**settings: Any) -> Fronted:
        given = FrontSettings(port=0, address='127.0.0.1', **settings)
        started.append(Fronted(given, viewers).running())
        return started[-1].__enter__()

    yield start
    for each in viewers:
        each.close()
    for each in started:
        each.__exit__(None, None, None)


@pytest.fixture
def fronted(start_front: Callable[..., Fronted]) -> Fronted:
    """Give a front with the settings that it has of itself."""
    return start_front()
