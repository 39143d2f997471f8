"""ROS services as viewers see and call them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
import logging
import threading

from foxglove import MessageSchema, Schema, Service, ServiceRequest, ServiceSchema
from foxglove.websocket import WebSocketServer
from rclpy.client import Client
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message

from twinsight_bridge.bridge_settings import BridgeSettings
from twinsight_bridge.live.allowed import Allowed
from twinsight_bridge.live.ros_call import ros_call
from twinsight_store.errors import TwinsightError
from twinsight_store.message_types import UnknownTypeError
from twinsight_store.service_types import service_class, service_definition

_MOST_AT_A_TIME = 64

_log = logging.getLogger(__name__)


class ServiceCallError(TwinsightError):
    """A viewer's call did not come to an answer; the viewer is shown the text."""


class LiveServices:
    """Offers the services of the ROS graph to viewers, while a server of each is there."""

    def __init__(
        self, node: Node, settings: BridgeSettings, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Make one; the loop is where calls are made."""
        self._node = node
        self._loop = loop
        self._allowed = Allowed(
            'service_whitelist', settings.service_whitelist, settings.include_hidden
        )
        self._timeout_s = settings.service_timeout
        self._types: dict[str, str] = {}
        self._clients: dict[str, Client] = {}
        self._unknown: set[tuple[str, str]] = set()
        self._calls = threading.BoundedSemaphore(_MOST_AT_A_TIME)

    def update(self, server: WebSocketServer) -> None:
        """Look at the graph once and tell the viewers what changed."""
        there = {
            name: types[0]
            for name, types in self._node.get_service_names_and_types()
            if types and name in self._allowed and self._node.count_services(name)
        }
        gone = [name for name, kind in self._types.items() if there.get(name) != kind]
        if gone:
            server.remove_services(gone)
            for name in gone:
                del self._types[name]
                if name in self._clients:
                    self._node.destroy_client(self._clients.pop(name))
        new = self._offered(there)
        if new:
            server.add_services(new)

    def _offered(self, there: Mapping[str, str]) -> list[Service]:
        found = []
        for name, kind in there.items():
            if name in self._types or (name, kind) in self._unknown:
                continue
            try:
                found.append(Service(name, schema=_schema(kind), handler=self._call))
                self._types[name] = kind
            except UnknownTypeError as error:
                self._unknown.add((name, kind))
                _log.warning(f'service {name} is not offered: {error}')
        return found

    def _call(self, request: ServiceRequest) -> bytes:
        """Answer a viewer's call; the server runs each in a thread."""
        name = request.service_name
        if request.encoding != 'cdr':
            raise ServiceCallError(f'{name}: encoding {request.encoding!r}; accepted is cdr')
        if not self._calls.acquire(blocking=False):
            raise ServiceCallError(f'{name}: {_MOST_AT_A_TIME} calls wait already; try later')
        try:
            call = asyncio.run_coroutine_threadsafe(
                self._answer(name, request.payload), self._loop
            )
            return call.result()
        except ServiceCallError:
            raise
        except Exception as error:
            raise ServiceCallError(f'{name}: {error}') from error
        finally:
            self._calls.release()

    async def _answer(self, name: str, payload: bytes) -> bytes:
        kind = self._types.get(name)
        if kind is None:
            raise ServiceCallError(f'{name}: its server is gone')
        cls = service_class(kind)
        try:
            request = deserialize_message(payload, cls.Request)
        except Exception as error:
            raise ServiceCallError(f'{name}: not a CDR request of {kind}') from error
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self._node.create_client(cls, name)
        return bytes(serialize_message(await ros_call(client, request, self._timeout_s)))


def _schema(kind: str) -> ServiceSchema:
    request, response = service_definition(kind)
    service_class(kind)
    return ServiceSchema(
        kind,
        request=_part(f'{kind}_Request', request),
        response=_part(f'{kind}_Response', response),
    )


def _part(name: str, text: bytes) -> MessageSchema:
    return MessageSchema(
        encoding='cdr', schema=Schema(name=name, encoding='ros2msg', data=text)
    )
