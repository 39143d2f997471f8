"""What viewers publish, onto ROS topics."""

from __future__ import annotations

from collections.abc import Callable
import json
import logging
from typing import Any

from foxglove.websocket import ClientChannel
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message

from twinsight_bridge.bridge_settings import BridgeSettings
from twinsight_bridge.live.allowed import Allowed
from twinsight_bridge.live.json_message import fill
from twinsight_store.message_types import message_class, UnknownTypeError
from twinsight_store.ros_qos import is_latched

ENCODINGS = ['cdr', 'json']

_DEPTH = 10

_log = logging.getLogger(__name__)


class _Published:
    def __init__(self, publisher: Publisher[Any], cls: type, encoding: str) -> None:
        self.publisher = publisher
        self.cls = cls
        self.encoding = encoding


class ClientPublishing:
    """
    Has a publisher for each channel that a viewer advertises; all calls from one thread.

    tell  shows a sentence to the viewers: what one of them published did not reach ROS
    """

    def __init__(
        self, node: Node, settings: BridgeSettings, tell: Callable[[str], object]
    ) -> None:
        """Make one without publishers."""
        self._node = node
        self._allowed = Allowed('client_topic_whitelist', settings.client_topic_whitelist)
        self._tell = tell
        self._published: dict[tuple[int, int], _Published] = {}

    def advertise(self, client_id: int, channel: ClientChannel) -> None:
        """Make a publisher; a channel that cannot have one is said to be so, once."""
        topic, encoding = channel.topic, channel.encoding
        if topic not in self._allowed:
            return self._refuse(topic, 'client_topic_whitelist leaves it out')
        if encoding not in ENCODINGS:
            accepted = ' and '.join(ENCODINGS)
            return self._refuse(topic, f'encoding {encoding!r}; accepted are {accepted}')
        try:
            cls = message_class(_type_name(channel.schema_name))
            publisher: Publisher[Any] = self._node.create_publisher(cls, topic, self._qos(topic))
        except UnknownTypeError as error:
            return self._refuse(topic, str(error))
        except Exception as error:  # rclpy has a class of its own for each bad name
            return self._refuse(topic, str(error).splitlines()[0])
        self.unadvertise(client_id, channel.id)
        self._published[client_id, channel.id] = _Published(publisher, cls, encoding)
        return None

    def unadvertise(self, client_id: int, channel_id: int) -> None:
        """End a publisher."""
        published = self._published.pop((client_id, channel_id), None)
        if published is not None:
            self._node.destroy_publisher(published.publisher)

    def publish(self, client_id: int, channel_id: int, data: bytes) -> None:
        """Publish a message; one that is none of its type is left out and said to be so."""
        published = self._published.get((client_id, channel_id))
        if published is None:
            return
        try:
            published.publisher.publish(_cdr(published, data))
        except Exception as error:  # rclpy does not say what a bad CDR raises
            topic = published.publisher.topic_name
            self._refuse(topic, f'a message is no {published.encoding} of its type ({error})')

    def _refuse(self, topic: str, reason: str) -> None:
        text = f'not published on {topic}: {reason}'
        _log.warning(text)
        self._tell(text)

    def _qos(self, topic: str) -> QoSProfile:
        """Return what the topic's subscribers can take; latched where one asks for that."""
        subscribers = self._node.get_subscriptions_info_by_topic(topic)
        latched = any(is_latched(each.qos_profile) for each in subscribers)
        return QoSProfile(
            depth=_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=(
                DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
            ),
        )


def _cdr(published: _Published, data: bytes) -> bytes:
    """Return the message's CDR; raises where the data is no message of the type."""
    if published.encoding == 'json':
        content: Any = json.loads(data)
        message = published.cls()
        fill(message, content)
        return bytes(serialize_message(message))
    deserialize_message(data, published.cls)  # what is no message would break the subscribers
    return data


def _type_name(schema_name: str) -> str:
    """Return a type's full name, also of one without ``msg``, as older viewers write it."""
    package, _, rest = schema_name.partition('/')
    return schema_name if rest.startswith('msg/') else f'{package}/msg/{rest}'
