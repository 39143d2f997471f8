"""A Foxglove viewer without a window: the client of npm, its decoders, and what they saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from twinsight_tools.viewers import Viewers

from .program import Event, TIMEOUT_S, ViewerProgram

Value = TypeVar('Value')
SDK_V1 = 'foxglove.sdk.v1'
WEBSOCKET_V1 = 'foxglove.websocket.v1'


class Message(NamedTuple):
    """
    One message as it came.

    log_ns  the server's time of the message (Unix, ns)
    sha256  of the payload, in hexadecimal
    fields  decoded by the advertised schema; None where that is not possible or not wanted
    """

    topic: str
    log_ns: int
    size: int
    sha256: str
    fields: Any


class NodeViewer:
    """
    A viewer that is connected, or refused: ``wait_open`` tells.

    What it saw grows as it comes: ``server_info``; ``channels`` by topic and ``services`` by
    name, those of now, as advertised; ``messages``; ``statuses``, ``parameters`` (updates),
    ``graph`` (updates), ``times_ns``, ``playback_states``, ``errors`` (texts), and ``closed``,
    the code and reason. Decoded integers of 64 bits are int, bytes and uint8[] are bytes.
    """

    def __init__(
        self, found: Viewers, url: str, log: Path, subprotocols: Sequence[str] = (SDK_V1,)
    ) -> None:
        self.subprotocol: str | None = None
        self.server_info: dict[str, Any] = {}
        self.channels: dict[str, dict[str, Any]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.messages: list[Message] = []
        self._of: defaultdict[str, list[Message]] = defaultdict(list)
        self.statuses: list[dict[str, Any]] = []
        self.parameters: list[list[dict[str, Any]]] = []
        self.graph: list[dict[str, Any]] = []
        self.times_ns: list[int] = []
        self.playback_states: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self.closed: tuple[int, str] | None = None
        self._program = ViewerProgram(
            found, 'client.js', [url, ','.join(subprotocols)], log, self._take
        )
        self.close = self._program.close

    # What it saw.

    def wait_for(
        self,
        condition: Callable[[], Value | None],
        what: str = 'what the test waits for',
        timeout_s: float = TIMEOUT_S,
    ) -> Value:
        """Return the condition's value once it is true; raise ViewerError where it never is."""
        return self._program.wait_for(condition, what, timeout_s)

    def wait_open(self, timeout_s: float = TIMEOUT_S) -> None:
        """Return when the server said who it is; raise ViewerError where it refused."""
        self.wait_for(lambda: self.server_info or self.closed, 'server info', timeout_s)
        assert self.closed is None, f'closed: {self.closed}, {self.errors}'

    def wait_for_channels(self, *topics: str, timeout_s: float = TIMEOUT_S) -> None:
        """Return when all these topics are advertised."""
        self.wait_for(
            lambda: self.channels.keys() >= set(topics), f'channels {topics}', timeout_s
        )

    def of(self, topic: str) -> list[Message]:
        """Return the messages of one topic so far."""
        return self._of[topic][:]

    def wait_for_messages(
        self, topic: str, count: int = 1, timeout_s: float = TIMEOUT_S
    ) -> list[Message]:
        """Return the messages of a topic once there are so many of them."""
        self.wait_for(
            lambda: len(self._of[topic]) >= count, f'{count} messages on {topic}', timeout_s
        )
        return self.of(topic)

    # What it asks for.

    def subscribe(self, topics: str, *, fields: bool = True) -> None:
        """
        Subscribe to the topics, advertised now or later, that a regular expression matches whole.

        Each message is decoded in any case; without ``fields`` they are not handed over, which
        takes a tenth of the time for big ones.
        """
        self._program.command('subscribe', topics=topics, fields=fields)

    def unsubscribe(self, topics: str) -> None:
        """Take back a subscription by the expression that it was made with."""
        self._program.command('unsubscribe', topics=topics)

    def publish(
        self, topic: str, type_name: str, value: Any, *, schema: str = '', encoding: str = 'cdr'
    ) -> None:
        """
        Publish a message; the topic is advertised with the first one.

        Without ``schema`` (ros2msg) that of any channel of the type is taken. The npm writer of
        CDR cuts texts that are not ASCII.
        """
        self._program.command(
            'publish', topic=topic, schemaName=type_name, value=value, schema=schema,
            encoding=encoding,
        )  # fmt: skip

    def unpublish(self, topic: str) -> None:
        """Take back the advertisement of a topic that was published on."""
        self._program.command('unpublish', topic=topic)

    def call(self, name: str, value: Any, timeout_s: float = TIMEOUT_S) -> Any:
        """Return a service's response; raise ViewerError where the call fails."""
        return self._program.command('call', name=name, value=value, timeout_s=timeout_s)

    def get_parameters(self, names: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the parameters of these names, of no names all: name, value, maybe type."""
        found: list[dict[str, Any]] = self._program.command('getParameters', names=list(names))
        return found

    def set_parameters(self, parameters: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Set parameters (name, value, maybe type); return what the server says they are."""
        parameters = [dict(parameter) for parameter in parameters]
        found: list[dict[str, Any]] = self._program.command(
            'setParameters', parameters=parameters
        )
        return found

    def subscribe_parameters(self, names: Sequence[str]) -> None:
        """Have updates of these parameters come into ``parameters``."""
        self._program.command('subscribeParameters', names=list(names))

    def unsubscribe_parameters(self, names: Sequence[str]) -> None:
        """Take that back."""
        self._program.command('unsubscribeParameters', names=list(names))

    def subscribe_graph(self) -> None:
        """Have updates of the connection graph come into ``graph``."""
        self._program.command('subscribeGraph')

    def unsubscribe_graph(self) -> None:
        """Take that back."""
        self._program.command('unsubscribeGraph')

    def fetch_asset(self, uri: str) -> bytes:
        """Return an asset; raise ViewerError where the server refuses it."""
        found: bytes = self._program.command('fetchAsset', uri=uri)
        return found

    def playback(
        self, command: str, *, speed: float = 1.0, seek_ns: int | None = None
    ) -> dict[str, Any]:
        """
        Ask for ``play`` or ``pause`` at a speed, from a time (Unix, ns) or from where it is.

        Return the server's answer: status, currentNs, speed, didSeek, requestId.
        """
        state: dict[str, Any] = self._program.command(
            'playback', command=command, speed=speed, seekNs=seek_ns
        )
        return state

    def _take(self, event: Event) -> None:
        match event['event']:
            case 'message':
                message = Message(
                    event['topic'], event['logNs'], event['size'], event['sha256'],
                    event.get('fields'),
                )  # fmt: skip
                self.messages.append(message)
                self._of[message.topic].append(message)
            case 'time':
                self.times_ns.append(event['ns'])
            case 'advertise':
                self.channels.update({item['topic']: item for item in event['channels']})
            case 'unadvertise':
                self.channels = _without(self.channels, event['ids'])
            case 'advertiseServices':
                self.services.update({item['name']: item for item in event['services']})
            case 'unadvertiseServices':
                self.services = _without(self.services, event['ids'])
            case 'open':
                self.subprotocol = event['subprotocol']
            case 'serverInfo':
                self.server_info = event['info']
            case 'status':
                self.statuses.append(event)
            case 'removeStatus':
                self.statuses = [
                    item for item in self.statuses if item.get('id') not in event['ids']
                ]
            case 'parameters':
                self.parameters.append(event['parameters'])
            case 'graph':
                self.graph.append(event['update'])
            case 'playback':
                self.playback_states.append(event['state'])
            case 'error':
                self.errors.append(event['message'])
            case 'close':
                self.closed = event['code'], event['reason']


def _without(known: dict[str, dict[str, Any]], ids: Sequence[int]) -> dict[str, dict[str, Any]]:
    return {name: item for name, item in known.items() if item['id'] not in ids}
