"""A Foxglove viewer for the tests: a real WebSocket client that keeps all it gets."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
import json
import os
import socket
import struct
import threading
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from pytest_ros import wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

PROTOCOL = 'foxglove.sdk.v1'

_MESSAGE, _TIME, _SERVICE_RESPONSE, _ASSET = 1, 2, 3, 4
_TEXT, _PING, _PONG = 1, 9, 10  # opcodes of WebSocket frames
_OPEN_S = 60.0  # the address of a replay is answered when its processes have started
_HEARD_S = 30.0


class Got(NamedTuple):
    """A message as the viewer got it; log_ns is the time that the server gives it."""

    topic: str
    log_ns: int
    data: bytes


class FoxgloveViewer:
    """
    One connection; a thread reads it.

    channels  what is advertised, by topic
    services  likewise, by name
    got       the messages, in the order in which they came
    told      the JSON of the server, in the order in which it came
    times     the server's times (ns)
    """

    def __init__(self, url: str, protocol: str = PROTOCOL, **options: Any) -> None:
        """Connect; raises what websockets does where the server refuses."""
        self.channels: dict[str, dict[str, Any]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.got: list[Got] = []
        self.told: list[dict[str, Any]] = []
        self.times: list[int] = []
        self.answers: dict[int, bytes] = {}
        self.assets: dict[int, tuple[str, bytes]] = {}
        self._connected = ExitStack()
        self.socket: ClientConnection = self._connected.enter_context(connect(
            url, subprotocols=[Subprotocol(protocol)], max_size=None, compression=None,
            open_timeout=_OPEN_S, **options
        ))
        self._topics: dict[int, str] = {}
        self._calls = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> FoxgloveViewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Return whether the server still serves it."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Disconnect."""
        self._connected.close()
        self._thread.join()

    def send(self, **request: Any) -> None:
        """Send a request as JSON."""
        self.socket.send(json.dumps(request))

    def subscribe(self, *topics: str) -> None:
        """Subscribe to topics, once they are advertised; the bridge knows of it then."""
        wait_until(lambda: all(topic in self.channels for topic in topics))
        ids = [self.channels[topic]['id'] for topic in topics]
        self._topics.update(zip(ids, topics, strict=True))
        self.send(op='subscribe', subscriptions=[{'id': n, 'channelId': n} for n in ids])
        self._be_heard()

    def unsubscribe(self, topic: str) -> None:
        """End a subscription; the bridge knows of it then."""
        self.send(op='unsubscribe', subscriptionIds=[self.channels[topic]['id']])
        self._be_heard()

    def of(self, topic: str) -> list[Got]:
        """Return the messages of a topic."""
        return [each for each in tuple(self.got) if each.topic == topic]

    def told_of(self, operation: str) -> list[dict[str, Any]]:
        """Return what the server told with an operation."""
        return [each for each in tuple(self.told) if each['op'] == operation]

    def advertise(self, channel: int, topic: str, type_name: str, encoding: str = 'cdr') -> None:
        """Say that messages will be published on a topic."""
        described = {'id': channel, 'topic': topic, 'encoding': encoding, 'schemaName': type_name}
        self.send(op='advertise', channels=[described])

    def publish(self, channel: int, data: bytes) -> None:
        """Publish on a channel that was advertised."""
        self.socket.send(struct.pack('<BI', 1, channel) + data)

    def call(self, service: str, request: bytes) -> bytes:
        """Return the response of a service; fail with what the server says where it fails."""
        wait_until(lambda: service in self.services)
        self._calls += 1
        call = self._calls
        head = struct.pack('<BIII', 2, self.services[service]['id'], call, 3)
        self.socket.send(head + b'cdr' + request)
        wait_until(lambda: call in self.answers or self._failure(call))
        assert call in self.answers, self._failure(call)
        return self.answers[call]

    def asset(self, uri: str) -> bytes | str:
        """Return an asset's bytes, or why there is none."""
        self._calls += 1
        request = self._calls
        self.send(op='fetchAsset', uri=uri, requestId=request)
        wait_until(lambda: request in self.assets)
        error, data = self.assets[request]
        return error or data

    def _be_heard(self) -> None:
        """Return when what was sent has been read: frames are read in order, a ping too."""
        assert self.socket.ping().wait(_HEARD_S), 'the server does not read what is sent'

    def _failure(self, call: int) -> str:
        failures = self.told_of('serviceCallFailure')
        return next((each['message'] for each in failures if each['callId'] == call), '')

    def _read(self) -> None:
        try:
            for frame in self.socket:
                if isinstance(frame, str):
                    self._text(json.loads(frame))
                else:
                    self._binary(frame)
        except ConnectionClosed:
            pass

    def _text(self, told: dict[str, Any]) -> None:
        operation = told['op']
        if operation == 'advertise':
            self.channels.update({each['topic']: each for each in told['channels']})
        elif operation == 'unadvertise':
            gone = set(told['channelIds'])
            self.channels = {t: c for t, c in self.channels.items() if c['id'] not in gone}
        elif operation == 'advertiseServices':
            self.services.update({each['name']: each for each in told['services']})
        elif operation == 'unadvertiseServices':
            away = set(told['serviceIds'])
            self.services = {n: s for n, s in self.services.items() if s['id'] not in away}
        self.told.append(told)

    def _binary(self, frame: bytes) -> None:
        kind = frame[0]
        if kind == _MESSAGE:
            subscription, log_ns = struct.unpack_from('<IQ', frame, 1)
            self.got.append(Got(self._topics[subscription], log_ns, frame[13:]))
        elif kind == _TIME:
            self.times.append(struct.unpack_from('<Q', frame, 1)[0])
        elif kind == _SERVICE_RESPONSE:
            _, call, size = struct.unpack_from('<III', frame, 1)
            self.answers[call] = frame[13 + size:]
        elif kind == _ASSET:
            request, status, size = struct.unpack_from('<IBI', frame, 1)
            text, data = frame[10:10 + size].decode(), frame[10 + size:]
            self.assets[request] = (text if status else '', data)


class NeverReads:
    """A viewer that subscribes to topics, and then takes nothing from its socket."""

    def __init__(self, url: str, *topics: str) -> None:
        """Connect, and subscribe once the topics are advertised."""
        place = urlsplit(url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.socket.connect((place.hostname, place.port))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f'GET / HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\n'
            f'Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n'
            f'Sec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n'.encode()
        )
        self._stream = self.socket.makefile('rb')
        while self._stream.readline().strip():
            pass  # the head of the answer
        ids = self._ids_of(topics)
        request = {'op': 'subscribe', 'subscriptions': [{'id': n, 'channelId': n} for n in ids]}
        self.send(_TEXT, json.dumps(request).encode())

    def _ids_of(self, topics: Sequence[str]) -> list[int]:
        ids: dict[str, int] = {}
        for kind, data in self.frames():
            told = json.loads(data) if kind == _TEXT else {}
            if told.get('op') == 'advertise':
                ids.update({each['topic']: each['id'] for each in told['channels']})
            if ids.keys() >= set(topics):
                break
        return [ids[topic] for topic in topics]

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield opcode and payload of each frame from now on."""
        self.socket.settimeout(20)
        while True:
            kind, size = self._stream.read(2)
            if size > 125:
                size = int.from_bytes(self._stream.read(8 if size == 127 else 2), 'big')
            yield kind & 0x0F, self._stream.read(size)

    def be_heard(self) -> None:
        """Return when what was sent has been read; what has come by then is left out."""
        self.socket.sendall(bytes((0x80 | _PING, 0x80)) + bytes(4))
        while next(self.frames())[0] != _PONG:
            pass

    def send(self, kind: int, payload: bytes) -> None:
        """Send a frame as a client has to, with a mask, here one of zeros."""
        head = bytes((0x80 | kind, 0xFF)) + struct.pack('>Q', len(payload))
        self.socket.sendall(head + bytes(4) + payload)

    def close(self) -> None:
        """Disconnect."""
        self._stream.close()
        self.socket.close()


@pytest.fixture
def viewers() -> Iterator[list[FoxgloveViewer]]:
    """Give a list whose viewers are disconnected after the test."""
    connected: list[FoxgloveViewer] = []
    yield connected
    for each in connected:
        each.close()
