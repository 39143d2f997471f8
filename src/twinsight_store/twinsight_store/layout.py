"""
How messages lie in ReductStore: entries, the two kinds of record, and their labels.

entry      <robot_id>/<topic without the leading slash>
timestamp  receive time of the (first) message, Unix microseconds
kinds      application/cdr, one message; application/cdr; encoding=zstd, the same, compressed;
           application/mcap, a chunk of messages
"""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import NamedTuple

from twinsight_store import compression as zstd
from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.message import header_stamp_ns

CDR = 'application/cdr'
CDR_ZSTD = 'application/cdr; encoding=zstd'
MCAP = 'application/mcap'

DEFAULT_BUCKET = 'twinsight'
DEFAULT_SINGLE_RECORD_BYTES = 64_000
"""Messages of this size and larger are records of their own."""

MAX_CHUNK_SPAN_NS = 60_000_000_000
"""No chunk reaches further than this from its record's timestamp, so readers look back so far."""

MAX_ALLOCATED_SHIFT_US = 4_096
"""A record moves by this much at most for the other records of its writer."""

MAX_CONFLICT_SHIFT_US = 5_000
"""And by this much at most for records that are in the store already."""

MAX_SHIFT_US = MAX_ALLOCATED_SHIFT_US + MAX_CONFLICT_SHIFT_US
"""How far a record may lie behind the time of its first message; readers wait for it."""

ATTACHMENT = '$ros'

_ENTRY_UNSAFE = re.compile(r'[^A-Za-z0-9_/]|^/|(?<=/)/|/$')


class Record(NamedTuple):
    """
    What is written to the store in one piece.

    timestamp_us  Unix microseconds; may still move where another record has it
    labels        encoded, ready for the store
    messages      how many messages it holds
    payload_bytes size of these messages, before they are packed or compressed
    """

    entry: str
    timestamp_us: int
    content_type: str
    labels: Mapping[str, str]
    data: bytes
    channel: Channel
    messages: int
    payload_bytes: int


def entry_name(robot_id: str, topic: str) -> str:
    """
    Return the entry of a robot's topic.

    Characters that ROS 2 does not allow in topics but old bags hold become ``-`` and two
    hexadecimal digits per byte.
    """
    escaped = _ENTRY_UNSAFE.sub(
        lambda match: ''.join(f'-{byte:02x}' for byte in match.group().encode()),
        topic.removeprefix('/'),
    )
    return f'{robot_id}/{escaped}'


def robot_of(entry: str) -> str:
    """Return the robot whose entry it is."""
    return entry.split('/', 1)[0]


def cdr_record(
    entry: str,
    channel: Channel,
    receive_ns: int,
    publish_ns: int,
    sequence: int,
    data: bytes,
    labels: Mapping[str, str],
    compression: str = zstd.NONE,
) -> Record:
    """
    Return the record of one message; the exact times go into its labels.

    compression  '' or 'zstd'; what that makes no smaller is stored as it is
    """
    own = {
        label.CHANNEL: channel.id,
        label.RECEIVE_NS: str(receive_ns),
        label.PUBLISH_NS: str(publish_ns),
        label.SEQUENCE: str(sequence),
    }
    if channel.stamped:
        stamp_ns = header_stamp_ns(data)
        if stamp_ns is not None:
            own[label.STAMP_NS] = str(stamp_ns)
    content_type, stored = CDR, data
    if compression == zstd.ZSTD and (frame := zstd.pack(data)) is not None:
        content_type, stored = CDR_ZSTD, frame
        own[label.PAYLOAD_BYTES] = str(len(data))
    return Record(
        entry, receive_ns // 1000, content_type, {**labels, **own}, stored, channel, 1, len(data)
    )


def attachment_key(channel: Channel) -> str:
    """Return the key under which a channel stays readable after the topic got another one."""
    return f'{ATTACHMENT}-{channel.id}'
