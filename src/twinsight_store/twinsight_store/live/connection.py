"""The connection to Redis: where it is, who we are, and what its failures mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
import os
import re
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from twinsight_store.errors import (
    ConfigurationError,
    StoreRefusedError,
    StoreUnavailableError,
    TwinsightError,
)

URL_VARIABLE = 'TWINSIGHT_REDIS_URL'

# What Redis answers while it starts, fails over, runs somebody's long script, or has no room for
# one more client: it passes.
_AWAY_CODES = frozenset({'LOADING', 'BUSY', 'MASTERDOWN', 'TRYAGAIN', 'CLUSTERDOWN', 'UNBLOCKED'})

_HINTS = {
    'OOM': 'its memory is full: raise its maxmemory, or keep less (stream_length)',
    'READONLY': 'it is a read-only replica: set {variable} to the primary',
    'NOAUTH': 'it wants a password: put it into {variable} (redis://:PASSWORD@HOST:PORT)',
    'WRONGPASS': 'user or password are wrong: check {variable}',
    'NOPERM': 'give the user of {variable} the right to it (commands, keys and channels '
              'twinsight:*)',
    'MISCONF': 'it cannot write to its disk: make room there, and see its log',
    'NOREPLICAS': 'too few of its replicas answer: see min-replicas-to-write',
    'WRONGTYPE': 'another program has put something else there: delete that key',
    'CROSSSLOT': 'Redis Cluster is not supported: set {variable} to a single Redis',
    'MOVED': 'Redis Cluster is not supported: set {variable} to a single Redis',
}

# What a URL may say of TLS, and the values that it may have; () for any.
_TLS: dict[str, tuple[str, ...]] = {
    'ssl_cert_reqs': ('none', 'optional', 'required'),
    'ssl_check_hostname': ('true', 'false'),
    'ssl_ca_certs': (),
    'ssl_ca_path': (),
    'ssl_certfile': (),
    'ssl_keyfile': (),
    'ssl_password': (),
}

# redis-py takes the code off the text where it has a class for it.
_CODES: tuple[tuple[type[redis.RedisError], str], ...] = (
    (redis.exceptions.BusyLoadingError, 'LOADING'),
    (redis.exceptions.MasterDownError, 'MASTERDOWN'),
    (redis.exceptions.ClusterDownError, 'CLUSTERDOWN'),
    (redis.exceptions.TryAgainError, 'TRYAGAIN'),
    (redis.exceptions.OutOfMemoryError, 'OOM'),
    (redis.exceptions.ReadOnlyError, 'READONLY'),
    (redis.exceptions.NoPermissionError, 'NOPERM'),
    (redis.exceptions.ClusterCrossSlotError, 'CROSSSLOT'),
    (redis.exceptions.MovedError, 'MOVED'),
)
_CODE = re.compile(rf'\b({"|".join((*_AWAY_CODES, *_HINTS))})\b')


RedisClient: TypeAlias = Any
"""redis-py's client; what its methods return has other types in each of its versions."""


class RedisRefusedError(StoreRefusedError):
    """
    Redis answers and refuses: memory, permission, read-only, full disk, content.

    ``code`` is the first word of its answer, '' where we do not know it; ``status`` is always 0.
    """

    def __init__(self, message: str, code: str = '') -> None:
        super().__init__(message, 0)
        self.code = code


@dataclass(frozen=True)
class RedisSettings:
    """
    Where the live values are kept: one Redis or Valkey, with replicas or without, no cluster.

    url        redis://USER:PASSWORD@HOST:PORT/NUMBER, rediss:// for TLS, or unix://PATH; never
               printed
    timeout_s  longest time that one answer may take
    """

    url: str = field(repr=False)
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        # Neither the URL nor the parser's error is shown: the password may be in both.
        try:
            parts = parse_url(self.url)
        except (ValueError, TypeError):
            parts = {}
        if not (parts.get('path') or parts.get('host')):
            raise ConfigurationError(
                f'{URL_VARIABLE} is no address of Redis: accepted is '
                'redis://USER:PASSWORD@HOST:PORT/NUMBER, rediss:// or unix://PATH (with special '
                'characters of the password as %XX)'
            )
        _check_query(self.url)
        if not self.timeout_s > 0:
            raise ConfigurationError(f'timeout_s {self.timeout_s}: accepted is more than 0')

    @property
    def where(self) -> str:
        """Return host and port, for people."""
        parts = parse_url(self.url)
        if 'path' in parts:
            return str(parts['path'])
        host = str(parts['host'])
        return f'{f"[{host}]" if ":" in host else host}:{parts.get("port", 6379)}'

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, **settings: Any
    ) -> RedisSettings:
        """
        Return the settings with the URL from the environment.

        Raises ConfigurationError where the URL is not set.
        """
        url = environment.get(URL_VARIABLE)
        if not url:
            raise ConfigurationError(
                f'{URL_VARIABLE} is not set: give the address of Redis, for example '
                f'redis://127.0.0.1:6379 (`make servers` starts one)'
            )
        return cls(url=url, **settings)


def _check_query(url: str) -> None:
    """Refuse what redis-py would take from a URL, except TLS: how we connect is our own matter."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    known = _TLS if parts.scheme == 'rediss' else {}
    for name, values in query.items():
        accepted = known.get(name)
        if accepted is None or (accepted and values[0] not in accepted):
            raise ConfigurationError(
                f'{URL_VARIABLE}: the part of its address behind "?" is not accepted; accepted '
                f'there, for rediss://, are {", ".join(_TLS)} (ssl_cert_reqs: none, optional or '
                'required; ssl_check_hostname: true or false)'
            )


def connect(settings: RedisSettings, name: str = 'twinsight') -> RedisClient:
    """
    Return a client that connects when it is asked something, and answers in bytes.

    It tries nothing twice: whoever asks knows whether that is right. The caller closes it.

    name  what CLIENT LIST shows of it; without a space
    """
    return redis.Redis.from_url(
        settings.url,
        socket_timeout=settings.timeout_s,
        socket_connect_timeout=settings.timeout_s,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name=name,
    )


@contextmanager
def redis_errors(settings: RedisSettings) -> Iterator[None]:
    """Turn every failure of Redis into StoreUnavailableError or RedisRefusedError."""
    try:
        yield
    except redis.RedisError as error:
        raise translated(settings, error) from error
    except OSError as error:
        raise _unavailable(settings, error) from error


def translated(settings: RedisSettings, error: redis.RedisError) -> TwinsightError:
    """Return what a failure of Redis means, in one line that says what to do."""
    code = code_of(error)
    refused = isinstance(error, (redis.ResponseError, redis.AuthenticationError)) or (
        code in _HINTS
    )
    if code in _AWAY_CODES or not refused:
        return _unavailable(settings, error)
    hint = _HINTS.get(code, 'see its log').format(variable=URL_VARIABLE)
    return RedisRefusedError(
        f'Redis at {settings.where} refuses ({_reason(error)}): {hint}', code
    )


def code_of(error: redis.RedisError) -> str:
    """Return the code of Redis's answer, for example OOM; '' where it is none that we know."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    text = str(error)
    if isinstance(error, redis.AuthenticationError):
        wanted = 'required' in text or 'called without' in text
        return 'NOAUTH' if wanted else 'WRONGPASS'
    if not isinstance(error, redis.ResponseError):
        return ''
    found = _CODE.search(text)
    return found[1] if found else ''


def _unavailable(settings: RedisSettings, error: Exception) -> StoreUnavailableError:
    return StoreUnavailableError(
        f'Redis at {settings.where} does not answer ({_reason(error)}): '
        f'start it, or set {URL_VARIABLE}'
    )


def _reason(error: Exception) -> str:
    return ' '.join(str(error).split())[:200].rstrip('.') or type(error).__name__
