"""A channel: what has to be known of a topic to read its messages without ROS."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
import hashlib
import json
import re
from typing import Any

from twinsight_store.errors import RecordError
from twinsight_store.qos_offers import any_latched, offers

QOS_KEY = 'offered_qos_profiles'
TYPE_HASH_KEY = 'topic_type_hash'

_CONSTANT = re.compile(r'\s*\S+\s+\w+\s*=')


@dataclass(frozen=True)
class Channel:
    """
    A topic together with its type, the type's definition and the offered QoS.

    Two recordings of one topic have different channels where the type's definition or the
    QoS differ, so old messages stay readable after a message package changed.

    topic            full name with leading slash, as on the robot
    type_name        for example ``sensor_msgs/msg/LaserScan``
    schema_encoding  ``ros2msg``, ``ros2idl``, or empty where the definition is not known
    schema           text of the definition with all definitions that it uses
    message_encoding ``cdr``
    metadata         as in MCAP channels of rosbag2: offered QoS (YAML) and type hash
    """

    topic: str
    type_name: str
    schema_encoding: str = ''
    schema: bytes = b''
    message_encoding: str = 'cdr'
    metadata: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """Return 12 hexadecimal digits that are the same wherever the channel is the same."""
        parts = [self.topic, self.type_name, self.schema_encoding, self.message_encoding]
        parts += [f'{key}={value}' for key, value in sorted(self.metadata.items())]
        digest = hashlib.sha256('\0'.join(parts).encode() + b'\0' + self.schema)
        return digest.hexdigest()[:12]

    @property
    def offered_qos(self) -> str:
        """Return the publishers' QoS profiles as YAML; empty where they are not known."""
        return self.metadata.get(QOS_KEY, '')

    @cached_property
    def latched(self) -> bool:
        """Return whether a publisher kept its last messages for late subscribers."""
        return any_latched(offers(self.offered_qos))

    @cached_property
    def stamped(self) -> bool:
        """Return whether the first field of the type is a std_msgs/Header."""
        if self.schema_encoding != 'ros2msg':
            return False
        for line in self.schema.decode(errors='replace').splitlines():
            if line.startswith('==='):
                return False
            words = line.split('#', 1)[0].split()
            if len(words) >= 2 and not _CONSTANT.match(line):
                return words[0] in ('std_msgs/Header', 'std_msgs/msg/Header', 'Header')
        return False

    def __hash__(self) -> int:
        return hash(self.id)

    def to_attachment(self) -> dict[str, Any]:
        """Return the ``$ros`` attachment: the keys of ReductStore's ROS tools, and ours."""
        attachment: dict[str, Any] = {
            'encoding': self.message_encoding,
            'topic': self.topic,
            'schema_name': self.type_name,
            'schema_base64': base64.b64encode(self.schema).decode(),
            'schema_encoding': self.schema_encoding,
            'channel': self.id,
            'metadata': dict(self.metadata),
        }
        with suppress(UnicodeDecodeError):  # schema_base64 holds what is no text
            attachment['schema'] = self.schema.decode()
        return attachment

    @classmethod
    def from_attachment(cls, attachment: Mapping[str, Any], entry: str) -> Channel:
        """
        Read a ``$ros`` attachment, ours or one of ReductStore's own ROS tools.

        Raises RecordError, which names the entry, where a needed key is missing.
        """
        try:
            schema = base64.b64decode(attachment.get('schema_base64', ''))
            schema = schema or attachment.get('schema', '').encode()
            return cls(
                topic=attachment['topic'],
                type_name=attachment.get('schema_name', ''),
                schema_encoding=attachment.get('schema_encoding', 'ros2msg' if schema else ''),
                schema=schema,
                message_encoding=attachment.get('encoding', 'cdr'),
                metadata=dict(attachment.get('metadata', {})),
            )
        except (KeyError, AttributeError, ValueError, TypeError) as error:
            text = json.dumps(attachment)[:80] if isinstance(attachment, dict) else attachment
            raise RecordError(
                f'{entry}: its $ros attachment cannot be read ({error!r} in {text})'
            ) from error
