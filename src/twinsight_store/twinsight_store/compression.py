"""
Compressed messages: one zstd frame a record, which says how big the message is.

The frame holds a checksum too, so a damaged one is never taken for a message.
"""

from __future__ import annotations

import zstandard

from twinsight_store.errors import ConfigurationError, RecordError

NONE = ''
ZSTD = 'zstd'

MOST_BYTES = 1_000_000_000
"""No message is compressed that is bigger, and no frame unpacked that claims more."""

_LEVEL = 1
"""The fastest that zstd is meant for; a recorder has no time for more."""


def check_compression(name: str) -> str:
    """Return the compression's name; raise ConfigurationError where there is none of it."""
    if name not in (NONE, ZSTD):
        raise ConfigurationError(f'compression {name!r}: accepted are {NONE!r} and {ZSTD!r}')
    return name


def pack(data: bytes) -> bytes | None:
    """Return the frame of a message, or None where that would be no smaller."""
    if len(data) > MOST_BYTES:
        return None
    frame = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)
    return frame if len(frame) < len(data) else None


def unpack(frame: bytes, size: int, entry: str, timestamp_us: int) -> bytes:
    """
    Return the message of a frame.

    size  of the message, as the record's labels give it; no more memory is taken than that
    Raises RecordError, naming entry and timestamp, where it is not a whole frame of that size.
    """
    try:
        announced = zstandard.frame_content_size(frame)
        if announced != size or size > MOST_BYTES:
            raise zstandard.ZstdError(
                f'it announces {announced} bytes where {min(size, MOST_BYTES)} are expected'
            )
        return zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except (zstandard.ZstdError, MemoryError) as error:
        raise RecordError(
            f'{entry}: the compressed message at {timestamp_us} µs cannot be read ({error})'
        ) from error
