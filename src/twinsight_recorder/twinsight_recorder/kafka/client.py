"""
The Kafka client library: imported where Kafka is asked for, and what its failures mean.

Everything else runs without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import logging
import re
from types import ModuleType
from typing import Any

from twinsight_recorder.kafka.settings import KafkaSettings, SERVERS_VARIABLE
from twinsight_store.errors import (
    ConfigurationError,
    StoreRefusedError,
    StoreUnavailableError,
    TwinsightError,
)

_MISSING = 'Kafka needs the Python package confluent-kafka: pip install confluent-kafka'

_SILENT = logging.getLogger('twinsight.kafka_client')
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

_VARYING = re.compile(r'\S+/(bootstrap|\d+): | \(after .*\)$')
"""What differs each time that a broker does not answer; one reason is to be told once."""

_REFUSALS = {
    '_AUTHENTICATION': 401,
    'SASL_AUTHENTICATION_FAILED': 401,
    'TOPIC_AUTHORIZATION_FAILED': 403,
    'GROUP_AUTHORIZATION_FAILED': 403,
    'CLUSTER_AUTHORIZATION_FAILED': 403,
    'TRANSACTIONAL_ID_AUTHORIZATION_FAILED': 403,
    'POLICY_VIOLATION': 403,
    '_UNKNOWN_TOPIC': 404,
    'UNKNOWN_TOPIC_OR_PART': 404,
    'TOPIC_EXCEPTION': 400,
    'INVALID_PARTITIONS': 400,
    'INVALID_REPLICATION_FACTOR': 400,
    'INVALID_CONFIG': 400,
    'MSG_SIZE_TOO_LARGE': 413,
}
"""Names of errors that a retry does not mend; with the HTTP status that says the same."""


def library() -> ModuleType:
    """Return the library; raises ConfigurationError where it is not installed."""
    try:
        import confluent_kafka.admin
    except ImportError as error:
        raise ConfigurationError(_MISSING) from error
    return confluent_kafka


class Trouble:
    """
    What a client says of its connections; called by the client.

    error  the last that was said since clear(); None for nothing
    away   whether no broker answered
    """

    def __init__(self) -> None:
        self.error: Any = None
        self.away = False

    def __call__(self, error: Any) -> None:
        """Keep an error; why one broker is away says more than that all are."""
        if error.name() == '_ALL_BROKERS_DOWN':
            self.away = True
        if self.error is None or error.name() != '_ALL_BROKERS_DOWN':
            self.error = error

    @property
    def serious(self) -> bool:
        """Return whether it will not pass by itself while others answer."""
        return self.away or (self.error is not None and self.error.name() in _REFUSALS)

    def clear(self) -> None:
        """Forget what was said."""
        self.error = None
        self.away = False


def made(
    kind: Callable[..., Any], settings: KafkaSettings, trouble: Trouble | None = None, **more: Any
) -> Any:
    """
    Return a client of a kind; ``more`` is its configuration, with _ for the dots.

    A producer gets no ``trouble``: the library would raise in the middle of its callbacks.
    Raises ConfigurationError where the library does not take what the environment says.
    """
    configuration = {
        **settings.client(), **({'error_cb': trouble} if trouble else {}),
        **{key.replace('_', '.'): value for key, value in more.items()},
    }
    try:
        return kind(configuration, logger=_SILENT)
    except (library().KafkaException, ValueError) as error:
        raise ConfigurationError(f'Kafka: {_text(error)}') from error


@contextmanager
def kafka_errors(settings: KafkaSettings, trouble: Trouble | None = None) -> Iterator[None]:
    """Turn what the library raises into StoreUnavailableError or StoreRefusedError."""
    try:
        yield
    except library().KafkaException as error:
        raise translated(settings, error.args[0], trouble) from error


def translated(
    settings: KafkaSettings, error: Any = None, trouble: Trouble | None = None
) -> TwinsightError:
    """
    Return what an error means, in one line that says what to do.

    error    the library's; None where there was no answer in time
    trouble  what the client said of its connections
    """
    behind = trouble.error if trouble is not None else None
    if behind is not None and (
        error is None or error.name() == '_TIMED_OUT' or behind.name() in _REFUSALS
    ):
        error = behind
    place = f'Kafka at {settings.servers}'
    if error is None:
        return StoreUnavailableError(
            f'{place} does not answer: start it, or set {SERVERS_VARIABLE}'
        )
    status = _REFUSALS.get(error.name())
    reason = f'{_VARYING.sub("", error.str())} ({error.name()})'
    if status in (401, 403):
        return StoreRefusedError(
            f'{place} refuses topic {settings.topic}: {reason}; set {SERVERS_VARIABLE}_USER and '
            '_PASSWORD, or have its rights extended', status,
        )
    if status == 404:
        return StoreRefusedError(
            f'{place} has no topic {settings.topic} and does not let us make it: create it with '
            f'{settings.partitions} partitions', status,
        )
    if status is not None:
        return StoreRefusedError(f'{place} refuses topic {settings.topic}: {reason}', status)
    return StoreUnavailableError(
        f'{place} does not answer ({reason}): start it, or set {SERVERS_VARIABLE}'
    )


def _text(error: Exception) -> str:
    found = error.args[0] if error.args else error
    return found.str() if hasattr(found, 'str') else str(found)
