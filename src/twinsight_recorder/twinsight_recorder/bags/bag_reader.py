"""Opening a bag file by what is in it, not by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
import io
from pathlib import Path
import shutil
import tempfile
from typing import cast

import zstandard

from twinsight_recorder.bags.bag_files import BagFile
from twinsight_recorder.bags.bag_message import BagReader
from twinsight_recorder.bags.mcap_bag import McapBag
from twinsight_recorder.bags.mcap_records import MAGIC as MCAP_MAGIC
from twinsight_recorder.bags.sqlite_bag import SqliteBag
from twinsight_store.errors import RecordError

_BLOCK = 1 << 20
_SQLITE_MAGIC = b'SQLite format 3\0'
_ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
_ROS1_MAGIC = b'#ROSBAG V'


@contextmanager
def open_bag(file: BagFile) -> Iterator[BagReader]:
    """
    Give a reader for a bag file, plain or compressed with zstd as a whole.

    Raises RecordError, one line without the path, where it is no bag that can be read.
    """
    with ExitStack() as stack:
        try:
            bag = _open(file, stack)
        except (OSError, zstandard.ZstdError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise RecordError(f'cannot be read: {reason or error}') from error
        yield bag


def _open(file: BagFile, stack: ExitStack) -> BagReader:
    raw: io.BufferedReader = io.BufferedReader(io.FileIO(file.path), _BLOCK)
    stack.callback(raw.close)
    size = file.path.stat().st_size
    compressed = _begins_with(raw, _ZSTD_MAGIC)
    stream: io.BufferedReader = _decompressed(raw) if compressed else raw
    if _begins_with(stream, MCAP_MAGIC):
        return McapBag(stream, raw, None if compressed else size, file.message_zstd)
    if not _begins_with(stream, _SQLITE_MAGIC):
        raise RecordError(_what_it_is(stream, size))
    path = file.path
    if compressed:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / 'bag.db3'
        with path.open('wb') as copy:  # sqlite3 reads nothing but files
            shutil.copyfileobj(stream, copy, _BLOCK)
    bag = SqliteBag(path, size, file.message_zstd)
    stack.callback(bag.close)
    return bag


def _begins_with(stream: io.BufferedReader, magic: bytes) -> bool:
    return stream.peek(len(magic))[:len(magic)] == magic


def _decompressed(raw: io.BufferedReader) -> io.BufferedReader:
    reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    stream: io.BufferedReader = io.BufferedReader(cast(io.RawIOBase, reader), _BLOCK)
    return stream


def _what_it_is(stream: io.BufferedReader, size: int) -> str:
    if size == 0:
        return 'is empty: the recording wrote nothing'
    if _begins_with(stream, _ROS1_MAGIC):
        return 'is a ROS 1 bag: convert it first (rosbags-convert --src BAG --dst FOLDER)'
    return 'is not a bag: accepted are MCAP and rosbag2 sqlite3 files'
