"""Publishers and clients that are kept: the next command finds them connected."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rclpy.action import ActionClient
from rclpy.client import Client
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from twinsight_bridge.commands.ros_node import RosNode
from twinsight_bridge.live.ros_call import KNOWN_S

_DEPTH = 10

_Key = tuple[str, str, Any]


@dataclass
class _Kept:
    endpoint: Any
    ready_s: float
    users: int = 0


class Endpoints:
    """
    Makes them as they are asked for, and ends those that were not used for longest.

    most  so many are kept, besides those that are in use
    """

    def __init__(self, ros: RosNode, most: int = 64) -> None:
        """Make none yet."""
        self.ros = ros
        self._most = most
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._changing = asyncio.Lock()

    @asynccontextmanager
    async def publisher(
        self, topic: str, cls: type, latched: bool
    ) -> AsyncIterator[Publisher[Any]]:
        """Give a reliable publisher, transient local where it is to be latched."""
        qos = QoSProfile(
            depth=1 if latched else _DEPTH,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=(
                DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
            ),
        )
        make = self.ros.node.create_publisher
        key = topic, 'latched' if latched else 'topic', cls
        async with self._used(key, lambda: make(cls, topic, qos), 0.0) as found:
            yield found

    @asynccontextmanager
    async def client(self, service: str, cls: Any) -> AsyncIterator[Client]:
        """Give a client of a service."""
        make = self.ros.node.create_client
        key = service, 'service', cls
        async with self._used(key, lambda: make(cls, service), KNOWN_S) as found:
            yield found

    @asynccontextmanager
    async def action_client(
        self, action: str, cls: Any
    ) -> AsyncIterator[ActionClient[Any, Any, Any]]:
        """Give a client of an action."""
        node = self.ros.node
        key = action, 'action', cls
        async with self._used(
            key, lambda: ActionClient(node, cls, action), KNOWN_S
        ) as found:
            yield found

    @asynccontextmanager
    async def _used(
        self, key: _Key, make: Callable[[], Any], known_s: float
    ) -> AsyncIterator[Any]:
        loop = asyncio.get_running_loop()
        async with self._changing:
            if key not in self._kept:
                await self._make_room()
                self._kept[key] = _Kept(await self.ros.run(make), loop.time() + known_s)
            self._kept.move_to_end(key)
            kept = self._kept[key]
            kept.users += 1
        try:
            await asyncio.sleep(kept.ready_s - loop.time())
            yield kept.endpoint
        finally:
            kept.users -= 1

    async def _make_room(self) -> None:
        idle = [key for key, kept in self._kept.items() if not kept.users]
        for key in idle[:max(0, len(self._kept) - self._most + 1)]:
            await self.ros.run(self._ending(self._kept.pop(key).endpoint))

    def _ending(self, endpoint: Any) -> Callable[[], object]:
        node = self.ros.node
        if isinstance(endpoint, ActionClient):
            return endpoint.destroy
        if isinstance(endpoint, Client):
            return lambda: node.destroy_client(endpoint)
        return lambda: node.destroy_publisher(endpoint)
