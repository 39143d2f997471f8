"""Asks a PostgreSQL server whether it takes requests, without a client library."""

from __future__ import annotations

import socket
import struct
from urllib.parse import parse_qs, unquote, urlsplit

TIMEOUT_S = 2.0
PROTOCOL_3 = 196608
STARTING_OR_ENDING = b'C57P03\0'  # SQLSTATE cannot_connect_now, as it stands in an error message


def takes_requests(url: str) -> bool:
    """
    Tell whether the server at a postgresql:// URL would talk to a client.

    A server that asks for a password, or refuses this client without, does run.
    """
    try:
        parts = urlsplit(url)
        host, port = _address(url)
        user = unquote(parts.username or 'postgres')
        database = unquote(parts.path.lstrip('/')) or user
        with _connect(host, port) as connection:
            connection.sendall(_hello(user, database))
            kind = _receive(connection, 1)
            (length,) = struct.unpack('>i', _receive(connection, 4))
            body = _receive(connection, length - 4)
    except (OSError, ValueError, struct.error):
        return False
    return kind == b'R' or (kind == b'E' and STARTING_OR_ENDING not in body)


def _address(url: str) -> tuple[str, int]:
    """Return host (or folder of a Unix socket) and port; the first, where a URL names several."""
    parts = urlsplit(url)
    _, _, hosts = parts.netloc.rpartition('@')
    options = parse_qs(parts.query)
    first = options.get('host', [hosts])[0].split(',')[0]
    host, _, port = (first, '', '') if first.startswith('/') else _split_port(first)
    return unquote(host) or 'localhost', int(port or options.get('port', ['5432'])[0])


def _split_port(text: str) -> tuple[str, str, str]:
    if text.startswith('['):
        host, _, rest = text[1:].partition(']')
        return host, ':', rest.lstrip(':')
    return text.partition(':')


def _connect(host: str, port: int) -> socket.socket:
    if not host.startswith('/'):
        return socket.create_connection((host, port), TIMEOUT_S)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(TIMEOUT_S)
    connection.connect(f'{host}/.s.PGSQL.{port}')
    return connection


def _hello(user: str, database: str) -> bytes:
    fields = ('user', user, 'database', database, 'application_name', 'twinsight')
    body = struct.pack('>i', PROTOCOL_3) + b''.join(f'{field}\0'.encode() for field in fields)
    body += b'\0'
    return struct.pack('>i', len(body) + 4) + body


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b''
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError('the server hung up')
        data += more
    return data
