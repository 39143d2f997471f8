"""Frames of single messages, whole and damaged."""

from __future__ import annotations

import random

import pytest
import zstandard

from twinsight_store import compression
from twinsight_store.errors import RecordError

MESSAGE = b'a scan of a wall ' * 20
BEGIN = b'\x28\xb5\x2f\xfd'
HUGE = 10**15


def packed(data: bytes) -> bytes:
    frame = compression.pack(data)
    assert frame is not None
    return frame


def unpack(frame: bytes, size: int = len(MESSAGE)) -> bytes:
    return compression.unpack(frame, size, 'r1/image', 17)


def text_of(frame: bytes, size: int = len(MESSAGE)) -> str:
    """Return what a frame that cannot be unpacked is reported with."""
    with pytest.raises(RecordError) as error:
        unpack(frame, size)
    return str(error.value)


@pytest.mark.parametrize('size', [50, 64_000, 3_000_000])
def test_a_message_comes_back_and_takes_less(size: int) -> None:
    data = random.Random(size).randbytes(size // 4) + bytes(size - size // 4)
    assert len(packed(data)) < 0.7 * size
    assert unpack(packed(data), size) == data


def test_what_would_be_no_smaller_is_not_compressed() -> None:
    assert compression.pack(random.Random(1).randbytes(100_000)) is None
    assert compression.pack(b'') is None


def test_a_message_bigger_than_readers_unpack_is_not_compressed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compression, 'MOST_BYTES', 1000)
    assert unpack(packed(bytes(1000)), 1000) == bytes(1000)
    assert compression.pack(bytes(1001)) is None


@pytest.mark.parametrize(
    'frame',
    [
        b'', BEGIN, b'?' * 100, packed(MESSAGE)[:-1], packed(MESSAGE)[:20],
        packed(MESSAGE) + b'x', packed(MESSAGE) * 2,
    ],
    ids=['empty', 'begin', 'no frame', 'one byte short', 'cut', 'a byte more', 'two frames'],
)  # fmt: skip
def test_a_frame_that_is_not_whole_is_named_with_its_place(frame: bytes) -> None:
    assert text_of(frame).startswith('r1/image: the compressed message at 17 µs cannot be read (')


def test_no_flipped_bit_makes_another_message() -> None:
    whole = packed(MESSAGE)
    refused = 0
    for bit in range(8 * len(whole)):
        frame = bytearray(whole)
        frame[bit // 8] ^= 1 << bit % 8
        try:
            assert unpack(bytes(frame)) == MESSAGE
        except RecordError:
            refused += 1
    assert refused > 7 * len(whole)


def test_a_frame_of_another_size_than_its_label_is_refused() -> None:
    assert text_of(packed(MESSAGE), 339) == (
        'r1/image: the compressed message at 17 µs cannot be read '
        '(it announces 340 bytes where 339 are expected)'
    )


def test_a_frame_that_does_not_announce_its_size_is_refused() -> None:
    stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    assert '(it announces -1 bytes' in text_of(stream.compress(MESSAGE) + stream.flush())


@pytest.mark.parametrize('label', [len(MESSAGE), HUGE])
def test_a_frame_that_claims_a_petabyte_takes_no_memory(label: int) -> None:
    single_segment = b'\xe0' + HUGE.to_bytes(8, 'little')
    repeated_byte = (1 | 1 << 1 | 100_000 << 3).to_bytes(3, 'little') + b'0'
    text = text_of(BEGIN + single_segment + repeated_byte, label)
    assert f'(it announces {HUGE} bytes where ' in text
