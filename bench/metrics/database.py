"""Databases of one trial each, on a server that is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
from urllib.parse import urlsplit
import uuid

import psycopg


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Give the URL of an empty database, which is gone after the block."""
    name = f'bench_{uuid.uuid4().hex[:12]}'
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE {name}'.encode())
        try:
            yield urlsplit(server_url)._replace(path=f'/{name}').geturl()
        finally:
            connection.execute(f'DROP DATABASE {name} WITH (FORCE)'.encode())


def tree_cpu_s(pid: int | None) -> float:
    """
    Return the processor time (s) of a PostgreSQL server so far, that of ended sessions included.

    pid  of its first process, whose children all others are
    """
    ticks = 0
    for file in Path('/proc').glob('[0-9]*/stat'):
        try:
            name_and_before, _, rest = file.read_text().rpartition(')')
        except OSError:
            continue  # it has ended meanwhile
        fields = rest.split()
        if int(name_and_before.split()[0]) == pid:
            ticks += sum(map(int, fields[11:15]))  # its own, and of children that have ended
        elif int(fields[1]) == pid:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf('SC_CLK_TCK')
