"""
Where Kafka is and who we are there.

Addresses and secrets come from the environment only:

TWINSIGHT_KAFKA            bootstrap servers: HOST:PORT, several with commas between
TWINSIGHT_KAFKA_USER       user name for SASL; none where it is not set
TWINSIGHT_KAFKA_PASSWORD   its password
TWINSIGHT_KAFKA_MECHANISM  PLAIN (default), SCRAM-SHA-256 or SCRAM-SHA-512
TWINSIGHT_KAFKA_TLS        1 for TLS
TWINSIGHT_KAFKA_CA         file with the certificates that are trusted (PEM), with TLS
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import os
import re

from twinsight_store.errors import ConfigurationError

SERVERS_VARIABLE = 'TWINSIGHT_KAFKA'
USER_VARIABLE = 'TWINSIGHT_KAFKA_USER'
PASSWORD_VARIABLE = 'TWINSIGHT_KAFKA_PASSWORD'
MECHANISM_VARIABLE = 'TWINSIGHT_KAFKA_MECHANISM'
TLS_VARIABLE = 'TWINSIGHT_KAFKA_TLS'
CA_VARIABLE = 'TWINSIGHT_KAFKA_CA'
DEFAULT_TOPIC = 'twinsight.metrics'
DEFAULT_PARTITIONS = 12

MESSAGE_BYTES = 8_000_000
"""No message is larger, compressed or not; a batch of metrics has about 1 MB."""

_MECHANISMS = ('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512')
_SERVER = re.compile(r'(\[[0-9A-Fa-f:.]+\]|[^\s:/,@]+):\d{1,5}')
_TOPIC = re.compile(r'[A-Za-z0-9._-]{1,249}')


@dataclass(frozen=True)
class KafkaSettings:
    """
    How Kafka is reached.

    servers     HOST:PORT, with commas between
    topic       created where it is absent and we may
    partitions  of a topic that is created; as many writers can share the work. More partitions
                for a topic that has messages would mix up their order.
    timeout_s   a write that is not acknowledged after so long has failed
    user        SASL user, None for none
    password    never printed
    mechanism   of SASL
    tls         whether the connection is encrypted
    ca_file     PEM file of trusted certificates; '' takes those of the system
    """

    servers: str
    topic: str = DEFAULT_TOPIC
    partitions: int = DEFAULT_PARTITIONS
    timeout_s: float = 20.0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: str = 'PLAIN'
    tls: bool = False
    ca_file: str = ''

    def __post_init__(self) -> None:
        if not all(_SERVER.fullmatch(each.strip()) for each in self.servers.split(',')):
            raise ConfigurationError(
                f'{SERVERS_VARIABLE}={self.servers!r}: accepted is HOST:PORT, several with '
                'commas between'
            )
        if not _TOPIC.fullmatch(self.topic) or self.topic in ('.', '..'):
            raise ConfigurationError(
                f'Kafka topic {self.topic!r}: accepted are 1 to 249 letters, digits, ".", "_", "-"'
            )
        if self.mechanism not in _MECHANISMS:
            raise ConfigurationError(
                f'{MECHANISM_VARIABLE}={self.mechanism!r}: accepted are {", ".join(_MECHANISMS)}'
            )
        if (self.user is None) != (self.password is None):
            raise ConfigurationError(
                f'{USER_VARIABLE} and {PASSWORD_VARIABLE}: set both, or none of them'
            )

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, **settings: object
    ) -> KafkaSettings:
        """
        Return the settings with addresses and secrets from the environment.

        Raises ConfigurationError where the servers are not set, or something has no good form.
        """
        servers = environment.get(SERVERS_VARIABLE)
        if not servers:
            raise ConfigurationError(
                f'{SERVERS_VARIABLE} is not set: give the bootstrap servers of Kafka, for '
                'example 127.0.0.1:9092'
            )
        tls = environment.get(TLS_VARIABLE, '')
        if tls not in ('', '0', '1'):
            raise ConfigurationError(f'{TLS_VARIABLE}={tls!r}: accepted are 1 and 0')
        return cls(
            servers=servers,
            user=environment.get(USER_VARIABLE) or None,
            password=environment.get(PASSWORD_VARIABLE) or None,
            mechanism=environment.get(MECHANISM_VARIABLE) or 'PLAIN',
            tls=tls == '1',
            ca_file=environment.get(CA_VARIABLE, ''),
            **settings,  # type: ignore[arg-type]
        )

    def client(self) -> dict[str, str | int]:
        """Return what every Kafka client of ours is configured with; it holds the password."""
        protocol = ('SASL_' if self.user else '') + ('SSL' if self.tls else 'PLAINTEXT')
        found: dict[str, str | int] = {
            'bootstrap.servers': self.servers,
            'client.id': 'twinsight',
            'security.protocol': protocol,
            'message.max.bytes': MESSAGE_BYTES,
            'reconnect.backoff.max.ms': 2000,
            'socket.keepalive.enable': 'true',
        }
        if self.user and self.password:
            found |= {
                'sasl.mechanism': self.mechanism, 'sasl.username': self.user,
                'sasl.password': self.password,
            }
        if self.ca_file:
            found['ssl.ca.location'] = self.ca_file
        return found
