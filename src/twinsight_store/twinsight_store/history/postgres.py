"""The connection to PostgreSQL: where it is, who we are, and what its failures mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
import math
import os
import time
from typing import Any

import psycopg
from psycopg.abc import PQGen, RV
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from twinsight_store.errors import (
    ConfigurationError,
    StoreRefusedError,
    StoreUnavailableError,
    TwinsightError,
)

URL_VARIABLE = 'TWINSIGHT_POSTGRES_URL'

# Classes and codes of SQLSTATE. Too many connections and a shutdown pass; so do a statement that
# took too long, a deadlock, and a transaction that the server ended for being idle.
_AWAY_CLASSES = ('08', '57', '40')
_AWAY_CODES = frozenset({'53300', '53200', '55P03', '25P03', '25P04'})

# The server names no SQLSTATE to a client that it does not let in.
_NOT_LET_IN = (
    'password authentication failed', 'no password supplied', 'no pg_hba.conf entry',
    'does not exist', 'is not permitted to log in', 'permission denied for database',
    'authentication failed', 'not currently accepting connections',
)

_HINTS = {
    '42501': 'give the user of {variable} the right to it',
    '25006': 'it is read-only (a standby, or set so): make it writable, or set {variable} to '
             'the one that is',
    '53100': 'its disk is full: make room there, or keep less (retention)',
}


class PostgresRefusedError(StoreRefusedError):
    """
    PostgreSQL answers and refuses: permission, read-only, full disk, content.

    ``sqlstate`` is its code of five characters, '' where it named none; ``status`` is always 0.
    """

    def __init__(self, message: str, sqlstate: str = '') -> None:
        super().__init__(message, 0)
        self.sqlstate = sqlstate


@dataclass(frozen=True)
class PostgresSettings:
    """
    Where the history of the metrics is kept.

    url         postgresql://USER:PASSWORD@HOST:PORT/DATABASE; never printed
    timeout_s   longest time that one statement, or one step of a COPY, may take
    patience_s  for so long a source of messages asks again a database that does not answer
    """

    url: str = field(repr=False)
    timeout_s: float = 30.0
    patience_s: float = 60.0

    def __post_init__(self) -> None:
        # Neither the URL nor the parser's error is shown: the password may be in both.
        try:
            accepted = self.url.startswith(('postgresql://', 'postgres://'))
            conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:
            accepted = False
        if not accepted:
            raise ConfigurationError(
                f'{URL_VARIABLE} is no address of PostgreSQL: accepted is '
                'postgresql://USER:PASSWORD@HOST:PORT/DATABASE (with special characters of the '
                'password as %XX)'
            )
        if not self.timeout_s > 0:
            raise ConfigurationError(f'timeout_s {self.timeout_s}: accepted is more than 0')

    @property
    def where(self) -> str:
        """Return host, port and database, for people."""
        parts = conninfo_to_dict(self.url)
        host = parts.get('host') or parts.get('hostaddr') or 'localhost'
        database = parts.get('dbname') or parts.get('user') or ''
        return f'{host}:{parts.get("port") or 5432}/{database}'

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, **settings: Any
    ) -> PostgresSettings:
        """
        Return the settings with the URL from the environment.

        Raises ConfigurationError where the URL is not set.
        """
        url = environment.get(URL_VARIABLE)
        if not url:
            raise ConfigurationError(
                f'{URL_VARIABLE} is not set: give the address of PostgreSQL, for example '
                f'postgresql://twinsight@127.0.0.1:5432/twinsight (`make servers` starts one)'
            )
        return cls(url=url, **settings)


class _SilentError(psycopg.OperationalError):
    """The server has not said a word for too long."""


class Connection(psycopg.Connection[Any]):
    """
    A connection in autocommit mode that gives up on a server which is silent for too long.

    The server's own time-out ends a statement that takes long; this one also ends the waiting
    for a server that hangs. It needs psycopg 3.2.13 or newer: older ones do not wake us.
    """

    silence_s = 30.0

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        """Wait for the server; raises OperationalError where it is silent for too long."""
        try:
            return super().wait(_limited(gen, self.silence_s), *args, **kwargs)
        except _SilentError:
            # It still owes us an answer: nothing else can be asked on this connection.
            self.close()
            raise

    @contextmanager
    def patience(self) -> Iterator[None]:
        """Wait as long as it takes, for the statements in this block."""
        usual, self.silence_s = self.silence_s, math.inf
        try:
            yield
        finally:
            self.silence_s = usual


def _limited(steps: PQGen[RV], limit_s: float) -> PQGen[RV]:
    """Give the steps of psycopg's wire protocol; it wakes us several times a second."""
    end = time.monotonic() + limit_s
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > end:
                raise _SilentError(f'silent for {limit_s:g} s')
            wanted = steps.send(ready)
    except StopIteration as done:
        result: RV = done.value
        return result


def conninfo(settings: PostgresSettings, application: str) -> str:
    """Return what libpq connects with; a server that vanished is noticed soon."""
    given = conninfo_to_dict(settings.url)
    own: dict[str, Any] = {
        'connect_timeout': max(2, min(10, round(settings.timeout_s))),
        'application_name': application,
        'keepalives': 1,
        'keepalives_idle': 10,
        'keepalives_interval': 5,
        'keepalives_count': 3,
        'tcp_user_timeout': max(1, round(settings.timeout_s * 1000)),
        'client_encoding': 'UTF8',
    }
    # What the URL says of these holds, but for the encoding: our bytes are UTF-8.
    own.update({name: given[name] for name in own if name in given and name != 'client_encoding'})
    return make_conninfo(settings.url, **own)


def connect(settings: PostgresSettings, application: str = 'twinsight') -> Connection:
    """
    Return a new connection; the caller closes it.

    Raises StoreUnavailableError where nobody answers, StoreRefusedError where we are not let in.
    """
    milliseconds = max(1, round(settings.timeout_s * 1000))
    with postgres_errors(settings):
        connection = Connection.connect(conninfo(settings, application), autocommit=True)
        try:
            # The server waits a little shorter than we do, so that its reason is heard.
            connection.silence_s = settings.timeout_s * 1.2
            connection.execute(
                "SELECT set_config('statement_timeout', %s, false)", [f'{milliseconds}ms']
            )
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def postgres_errors(settings: PostgresSettings) -> Iterator[None]:
    """Turn every failure of PostgreSQL into StoreUnavailableError or PostgresRefusedError."""
    try:
        yield
    except psycopg.Error as error:
        raise translated(settings, error) from error


def reason(error: BaseException) -> str:
    """Return what went wrong, in one line."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return ' '.join((primary or str(error) or type(error).__name__).split())


def translated(settings: PostgresSettings, error: psycopg.Error) -> TwinsightError:
    """Return what a failure of PostgreSQL means, in one line that says what to do."""
    state, why = error.sqlstate or '', reason(error)
    place = f'PostgreSQL at {settings.where}'
    if not state and any(each in why for each in _NOT_LET_IN):
        return PostgresRefusedError(f'{place} does not let us in ({why}): check {URL_VARIABLE}')
    if state.startswith(_AWAY_CLASSES) or state in _AWAY_CODES or (
        not state and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    ):
        return StoreUnavailableError(
            f'{place} does not answer ({why}): start it, or set {URL_VARIABLE}'
        )
    hint = _HINTS.get(state, 'see its log').format(variable=URL_VARIABLE)
    return PostgresRefusedError(f'{place} refuses ({why}; {state or "no code"}): {hint}', state)
