"""
Messages of a rosbag2 sqlite3 file, in the order in which they were recorded.

Read with sqlite3 itself: the reader of the rosbags library stops at a message definition that
rosbag2 could not find, leaves out what a crashed recording left in its write-ahead log, and
does not give the QoS text as it is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
import sqlite3

import zstandard

from twinsight_recorder.bags.bag_message import BagMessage
from twinsight_recorder.bags.standard_types import standard_definition
from twinsight_store.channel import Channel, QOS_KEY, TYPE_HASH_KEY
from twinsight_store.errors import RecordError
from twinsight_store.times import format_time

_KNOWN_ENCODINGS = ('ros2msg', 'ros2idl')


class SqliteBag:
    """Reads a ``.db3`` file of any rosbag2 version, without its metadata.yaml."""

    def __init__(self, path: Path, file_bytes: int, message_zstd: bool = False) -> None:
        """
        Open a file; file_bytes is what counts as read once all of it was read.

        Raises RecordError where it has no rosbag2 tables.
        """
        self.problems: list[str] = []
        self._file_bytes = file_bytes
        self._read_bytes = 0
        self._unzstd = zstandard.ZstdDecompressor() if message_zstd else None
        self._connection = _connect(path)
        try:
            self._channels = dict(self._read_channels())
        except sqlite3.Error as error:
            self.close()
            raise RecordError(f'is not a readable rosbag2 file ({error})') from error

    @property
    def position(self) -> int:
        """Return about how many bytes of the file were read."""
        return min(self._read_bytes, self._file_bytes)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def messages(self) -> Iterator[BagMessage]:
        """Give every readable message once, in the order of recording."""
        read, last_ns, orphans, unpackable = 0, 0, 0, 0
        query = 'SELECT topic_id, timestamp, data FROM messages ORDER BY id'
        try:
            with closing(self._connection.execute(query)) as rows:
                for topic_id, receive_ns, data in rows:
                    self._read_bytes += len(data)
                    channel = self._channels.get(topic_id)
                    if channel is None:
                        orphans += 1
                        continue
                    try:
                        data = self._unzstd.decompress(data) if self._unzstd else bytes(data)
                    except zstandard.ZstdError:
                        unpackable += 1
                        continue
                    read, last_ns = read + 1, max(last_ns, receive_ns)
                    yield BagMessage(channel, receive_ns, receive_ns, 0, data)
        except sqlite3.Error as error:
            last = f', the last of {format_time(last_ns)}' if read else ''
            self.problems.append(f'is damaged ({error}): {read} messages could be read{last}')
        self._read_bytes = self._file_bytes
        if orphans:
            self.problems.append(f'{orphans} messages belong to topics that it does not describe')
        if unpackable:
            self.problems.append(f'{unpackable} messages cannot be decompressed')

    def _read_channels(self) -> Iterator[tuple[int, Channel]]:
        """Give the channel of each topic id; which columns there are depends on the version."""
        definitions = self._read_definitions()
        for row in self._rows('topics'):
            type_name, type_hash = str(row['type']), str(row.get('type_description_hash') or '')
            encoding, text = definitions.get(type_name, ('', ''))
            if not text:
                text = standard_definition(type_name, type_hash)
                encoding = 'ros2msg' if text else ''
            metadata = {
                QOS_KEY: str(row.get('offered_qos_profiles') or ''), TYPE_HASH_KEY: type_hash
            }
            yield int(str(row['id'])), Channel(
                topic=str(row['name']),
                type_name=type_name,
                schema_encoding=encoding,
                schema=text.encode(),
                message_encoding=str(row['serialization_format']),
                metadata={key: value for key, value in metadata.items() if value},
            )

    def _read_definitions(self) -> dict[str, tuple[str, str]]:
        """Return encoding and text by type name; bags before rosbag2 Iron have none."""
        return {
            str(row['topic_type']): (
                str(row['encoding']), str(row['encoded_message_definition'])
            )
            for row in self._rows('message_definitions')
            if row['encoding'] in _KNOWN_ENCODINGS
        }

    def _rows(self, table: str) -> list[dict[str, object]]:
        exists = self._connection.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [table]
        ).fetchone()
        if not exists and table == 'message_definitions':
            return []
        with closing(self._connection.execute(f'SELECT * FROM {table} ORDER BY id')) as cursor:
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]


def _connect(path: Path) -> sqlite3.Connection:
    """
    Open a file that is never written to.

    Where a crashed recording left a log beside it, SQLite has to read that too; else the file
    is read as it is, so that a folder without write permission is no obstacle.
    """
    left_over = any(
        log.exists() and log.stat().st_size
        for log in (path.with_name(path.name + end) for end in ('-wal', '-journal'))
    )
    mode = 'mode=ro' if left_over else 'mode=ro&immutable=1'
    try:
        # Reading goes on in whichever thread is free, one at a time.
        connection = sqlite3.connect(
            f'{path.resolve().as_uri()}?{mode}', uri=True, check_same_thread=False
        )
        # Nothing is written; this makes SQLite read what is left of a file that was cut off.
        connection.execute('PRAGMA writable_schema = ON')
        return connection
    except sqlite3.Error as error:
        raise RecordError(f'cannot be opened ({error})') from error
