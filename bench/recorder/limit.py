"""
The process that writes a load's bytes with reduct-py as fast as it can: the limit.

No ROS, no packing: big messages are records of their own, small ones are joined to records as
large as the recorder's chunks are, and as many records go into a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
import json
import os
import time
from typing import NamedTuple

from reduct import Bucket, Client
from reduct.batch.batch_v2 import RecordBatch

from bench.loads import Load, Stream
from bench.payloads import size_of
from twinsight_store.layout import DEFAULT_SINGLE_RECORD_BYTES
from twinsight_store.record_builder import ChunkRules
from twinsight_store.writer import MAX_BATCH_BYTES, MAX_BATCH_RECORDS

_LANES = 4
"""Requests under way; each entry belongs to one of them."""


class _Piece(NamedTuple):
    due_s: float
    entry: str
    size: int


def run(load: Load, url: str, bucket_name: str) -> int:
    """Write everything; print messages, bytes, seconds and CPU seconds as JSON."""
    print(json.dumps(asyncio.run(_write(load, url, bucket_name))), flush=True)
    return 0


async def _write(load: Load, url: str, bucket_name: str) -> dict[str, float]:
    lanes: list[list[_Piece]] = [[] for _ in range(_LANES)]
    for index, stream in enumerate(load.streams):
        lanes[index % _LANES] += _pieces(stream, load.seconds)
    for lane in lanes:
        lane.sort()
    noise = os.urandom(max(piece.size for lane in lanes for piece in lane))
    async with Client(url) as client:
        bucket = await client.create_bucket(bucket_name, exist_ok=True)
        start_s, start_cpu_s = time.monotonic(), time.process_time()
        await asyncio.gather(*(_write_lane(bucket, lane, noise) for lane in lanes))
        return {
            'messages': load.asked,
            'bytes': sum(piece.size for lane in lanes for piece in lane),
            'took_s': time.monotonic() - start_s,
            'cpu_s': time.process_time() - start_cpu_s,
        }


async def _write_lane(bucket: Bucket, lane: list[_Piece], noise: bytes) -> None:
    start_us = time.time_ns() // 1000
    for pieces in _requests(lane):
        batch = RecordBatch()
        for piece in pieces:
            batch.add(
                piece.entry, start_us + round(piece.due_s * 1e6), noise[:piece.size],
                content_type='application/cdr', labels={'robot_id': 'limit'},
            )
        errors = await bucket.write_record_batch(batch)
        if errors:
            raise RuntimeError(f'the store refuses records: {errors}')


def _pieces(stream: Stream, seconds: float) -> Iterator[_Piece]:
    """Give the records that a stream's messages make."""
    size = size_of(stream)
    rules = ChunkRules()
    together = 1
    if size < DEFAULT_SINGLE_RECORD_BYTES:
        per_age = max(round(stream.rate_hz * rules.max_age_ns / 1e9), 1)
        together = max(min(rules.max_bytes // size, per_age), 1)
    asked = round(stream.rate_hz * seconds)
    entry = f'limit{stream.topic}'
    for first in range(0, asked, together):
        count = min(together, asked - first)
        yield _Piece(first / stream.rate_hz, entry, count * size)


def _requests(lane: list[_Piece]) -> Iterator[list[_Piece]]:
    request: list[_Piece] = []
    size = 0
    for piece in lane:
        if request and (len(request) == MAX_BATCH_RECORDS or size + piece.size > MAX_BATCH_BYTES):
            yield request
            request, size = [], 0
        request.append(piece)
        size += piece.size
    if request:
        yield request
