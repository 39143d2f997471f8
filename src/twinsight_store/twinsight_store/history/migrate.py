"""
The schema in PostgreSQL: numbered SQL files, each applied once, in order.

A file ``NNNN_name.sql`` in the folder ``migrations`` is one transaction. Who applies one holds an
advisory lock of the database, so any number of programs may start at once; the lock ends with
the transaction, also where the program is killed.
"""

from __future__ import annotations

from hashlib import sha256
from importlib import resources
import re
from typing import NamedTuple

import psycopg

from twinsight_store.history.postgres import Connection, PostgresRefusedError

SCHEMA_LOCK = 0x7477696E73696768
"""Advisory lock of whoever changes the schema."""

_NAME = re.compile(r'(\d{4})_(\w+)\.sql')

_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_migration (
        number integer PRIMARY KEY,
        name text NOT NULL,
        applied timestamptz NOT NULL DEFAULT now(),
        checksum text NOT NULL
    )
"""


class Migration(NamedTuple):
    """One numbered SQL file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Return what tells whether the file was changed."""
        return sha256(self.sql.encode()).hexdigest()

    @property
    def file(self) -> str:
        """Return the file's name."""
        return f'{self.number:04}_{self.name}.sql'


def known() -> list[Migration]:
    """Return the migrations of this version of TwinSight, in order."""
    found = []
    for file in resources.files(__package__).joinpath('migrations').iterdir():
        if match := _NAME.fullmatch(file.name):
            found.append(Migration(int(match[1]), match[2], file.read_text('utf-8')))
    return sorted(found)


def migrate(connection: Connection, migrations: list[Migration] | None = None) -> list[str]:
    """
    Bring the database to the schema of this version; return the files that were applied.

    Fine at any time, and from several programs at once. Raises PostgresRefusedError where the
    database is newer than this version or a file was changed after it was applied, and
    psycopg.Error.
    """
    wanted = known() if migrations is None else migrations
    there = connection.execute("SELECT to_regclass('schema_migration') IS NOT NULL").fetchone()
    if there and there[0] and not _pending(connection, wanted):
        return []
    done: list[str] = []
    while True:
        with connection.transaction():
            lock_schema(connection)
            connection.execute(_TABLE)
            pending = _pending(connection, wanted)
            if not pending:
                return done
            _apply(connection, pending[0])
        done.append(pending[0].file)


def lock_schema(connection: Connection) -> None:
    """Wait until nobody else changes the schema; the lock ends with the transaction."""
    connection.execute('SELECT pg_advisory_xact_lock(%s)', [SCHEMA_LOCK])


def _apply(connection: Connection, migration: Migration) -> None:
    # To build an index of a big table takes as long as it takes.
    connection.execute('SET LOCAL statement_timeout = 0')
    try:
        with connection.patience():
            connection.execute(migration.sql.encode())
    except psycopg.errors.DuplicateTable as error:
        raise PostgresRefusedError(
            f'{_where(connection)}: migration {migration.file} makes what is there already '
            f'({error.diag.message_primary}): give TwinSight a database of its own', '42P07'
        ) from error
    connection.execute(
        'INSERT INTO schema_migration (number, name, checksum) VALUES (%s, %s, %s)',
        [migration.number, migration.name, migration.checksum],
    )


def _pending(connection: Connection, wanted: list[Migration]) -> list[Migration]:
    """Return what is to be applied; raises PostgresRefusedError where that is not clear."""
    applied = {
        number: (name, checksum)
        for number, name, checksum in connection.execute(
            'SELECT number, name, checksum FROM schema_migration'
        )
    }
    of_ours = {each.number: each for each in wanted}
    unknown = sorted(applied.keys() - of_ours.keys())
    if unknown:
        number = unknown[-1]
        raise PostgresRefusedError(
            f'{_where(connection)} has schema {number:04}_{applied[number][0]}, this TwinSight '
            f'knows up to {max(of_ours, default=0):04}: use the newer TwinSight, or another '
            'database'
        )
    for number, (_, checksum) in sorted(applied.items()):
        if checksum != of_ours[number].checksum:
            raise PostgresRefusedError(
                f'{_where(connection)}: migration {of_ours[number].file} is not as it was '
                'applied: undo the change, and write what is new into a file with the next number'
            )
    return [each for each in wanted if each.number not in applied]


def _where(connection: Connection) -> str:
    info = connection.info
    return f'PostgreSQL at {info.host}:{info.port}/{info.dbname}'
