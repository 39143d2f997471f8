"""Reading in a process of its own, from a real ReductStore."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
import os
import signal
import socket
import threading
import time
from typing import Any

import pytest
from pytest_ros import wait_until

from twinsight_replay.piece_frames import (
    Buffers,
    Kind,
    PackedMessages,
    PieceReceiver,
    PieceSender,
    receive,
)
from twinsight_replay.piece_queue import Piece
from twinsight_replay.reading_child import _Child
from twinsight_replay.reading_process import ReadingProcess
from twinsight_replay.wakeup import Wakeup
from twinsight_store.channel import Channel
from twinsight_store.connection import connect
from twinsight_store.errors import (
    NothingMatchedError,
    RecordError,
    StoreUnavailableError,
    TwinsightError,
)
from twinsight_store.message import END_OF_TIME_NS, Message
from twinsight_store.open_timeline import TimelineSettings
from twinsight_store.read import read
from twinsight_store.selection import Selection

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


class Reading:
    """A ReadingProcess that is open, and what it reports."""

    def __init__(self, settings: Any, limit_bytes: int = 64_000_000, **selection: Any) -> None:
        self.bad: list[Any] = []
        self.wakeup = Wakeup()
        timeline = TimelineSettings(settings, on_bad_record=self.bad.append)
        self.process = ReadingProcess(
            Selection(**selection), timeline, self.wakeup.set, limit_bytes
        )

    def __enter__(self) -> Reading:
        self.process.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.__exit__(None, None, None)

    def piece(self) -> Piece:
        """Return the next piece; fail where none comes."""
        end = time.monotonic() + 30
        while (piece := self.process.take()) is None:
            assert time.monotonic() < end, 'no piece came'
            self.wakeup.wait(1.0)
            self.wakeup.clear()
        return piece

    def rest(self) -> list[Message]:
        """Return all messages up to the last piece."""
        found: list[Message] = []
        while True:
            piece = self.piece()
            found += piece.messages
            if piece.is_last:
                return found


@pytest.fixture
def stored(store, channel, text, store_settings):
    """Store 20 s of three topics, small and big messages; return the settings."""
    odom, camera, latched = channel('/odom'), channel('/camera'), channel('/map')
    store([
        *((latched, T0 + n * 7 * SECOND, text(f'map {n}')) for n in range(3)),
        *((odom, T0 + n * 20_000_000 + 1, text(f'odom {n}')) for n in range(1000)),
        *((camera, T0 + n * 100_000_000, text(f'{n} ' + 'x' * 80_000)) for n in range(200)),
    ])
    return store_settings


def test_it_gives_what_reading_here_gives(stored):
    with Reading(stored) as reading:
        assert {each.topic for _, each in reading.process.channels} == {'/odom', '/camera', '/map'}
        assert reading.process.span_ns[0] == T0
        reading.process.start(None)
        assert reading.rest() == list(read(Selection(), stored))
        reading.process.start(T0 + 13 * SECOND)
        assert reading.rest() == list(read(Selection(from_ns=T0 + 13 * SECOND), stored))
        assert reading.process.queued == (0, 0)


def test_after_a_new_start_nothing_of_before_comes(stored):
    with Reading(stored) as reading:
        for second in (0, 15, 3, 19, 7):
            reading.process.start(T0 + second * SECOND)
        assert reading.rest() == list(read(Selection(from_ns=T0 + 7 * SECOND), stored))


def test_no_more_is_read_ahead_than_may_be(stored):
    with Reading(stored, limit_bytes=3_000_000) as reading:
        reading.process.start(None)
        wait_until(lambda: reading.process.queued[1] >= 3_000_000)
        time.sleep(1.0)  # for more, were there no bound
        messages, size = reading.process.queued
        assert size < 3_000_000 + 33_000_000 and messages < 1203
        assert len(reading.rest()) == 1203


def test_nothing_matched_is_the_same_error_as_here(stored):
    with pytest.raises(NothingMatchedError, match='nothing matches --robot nobody; there is'):
        Reading(stored, robots=('nobody',)).__enter__()


def test_a_store_that_is_not_there_is_the_same_error_as_here(store_settings):
    with pytest.raises(StoreUnavailableError, match='127.0.0.1:9 does not answer'):
        Reading(replace(store_settings, url='http://127.0.0.1:9')).__enter__()


def test_bad_records_are_reported_here(stored, store_settings):
    async def put():
        async with connect(store_settings) as connection:
            bucket = await connection.bucket()
            await bucket.write(
                'robot_05/odom', b'x', (T0 + 3 * SECOND) // 1000 + 77, content_type='text/plain'
            )

    asyncio.run(put())
    with Reading(stored) as reading:
        reading.process.start(None)
        assert len(reading.rest()) == 1203
        assert len(reading.bad) == 1
        assert "of the unknown kind 'text/plain'" in str(reading.bad[0])


def test_what_could_not_be_read_of_a_piece_is_told_before_the_piece():
    """Or playing might have ended with the last piece before it is known that records are bad."""
    here, there = socket.socketpair()
    with here, there:
        child = _Child(here)

        class Feed:
            pieces = [Piece(some(2), T0), Piece(some(1), END_OF_TIME_NS)]

            def take(self):
                """Read a piece in the moment in which it is taken."""
                if self.pieces:
                    child._report(RecordError('bad'))
                    return self.pieces.pop(0)
                there.shutdown(socket.SHUT_WR)
                return None

        child._wakeup.set()
        child._serve(Feed(), 1_000_000)
        here.shutdown(socket.SHUT_WR)
        sent = [kind for kind, _, _ in iter(partial(receive, there, Buffers()), None)]
        assert sent == [Kind.BAD, Kind.PIECE] * 2


def test_a_process_that_is_killed_is_one_clear_error(stored):
    with Reading(stored, limit_bytes=1) as reading:
        reading.process.start(None)
        reading.piece()
        os.kill(reading.process._process.pid, signal.SIGKILL)
        with pytest.raises(TwinsightError, match='reads ended by itself .exit code -9.'):
            reading.rest()


def test_it_ends_with_its_block_and_leaves_nothing(stored):
    with Reading(stored, limit_bytes=1) as reading:
        reading.process.start(None)
        reading.piece()
        pid = reading.process._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not [each for each in threading.enumerate() if each.name == 'twinsight-reading']


CHANNELS = [Channel(f'/{name}', 'std_msgs/msg/String', 'ros2msg', b'string data') for name in 'ab']


def some(count: int, size: int = 3) -> list[Message]:
    return [
        Message(CHANNELS[n % 2], T0 + n, T0 - n, n * 2**33, bytes([n % 256]) * size, {'n': str(n)})
        for n in range(count)
    ]


def test_messages_come_out_of_their_frames_as_they_went_in():
    here, there = socket.socketpair()
    with here, there:
        sender, buffers = PieceSender(here), Buffers()
        receiver = PieceReceiver(buffers)
        for generation, messages in enumerate((some(5), [], some(1, 0), some(40, 1000))):
            sender.send(generation, Piece(messages, END_OF_TIME_NS, latched=True))
            kind, content, data = receive(there, buffers)
            assert kind is Kind.PIECE
            found, piece, size = receiver.piece(content, data)
            assert (found, piece.until_ns, piece.latched) == (generation, END_OF_TIME_NS, True)
            assert size == sum(len(each.data) for each in messages)
            assert list(piece.messages) == messages
            assert len(piece.messages) == len(messages)
            if messages:
                assert piece.messages[-1] == messages[-1]
                assert piece.messages[1:3] == messages[1:3]
            with pytest.raises(IndexError):
                piece.messages[len(messages)]
        assert [each.channel for each in some(2)] == CHANNELS


def test_a_message_keeps_its_bytes_when_its_buffer_is_used_again():
    here, there = socket.socketpair()
    with here, there:
        sender, buffers = PieceSender(here), Buffers()
        receiver = PieceReceiver(buffers)
        kept = []
        used = set()
        for round_ in range(20):
            messages = some(round_ + 1, 500)
            sender.send(0, Piece(messages, T0))
            _, content, data = receive(there, buffers)
            used.add(id(data))
            piece = receiver.piece(content, data)[1]
            assert isinstance(piece.messages, PackedMessages)
            kept.append((piece.messages[round_], messages[round_]))
            del piece, data
        assert all(found == sent for found, sent in kept)
        assert len(used) < 20


def test_a_stream_that_ends_in_a_frame_gives_nothing():
    here, there = socket.socketpair()
    with there:
        with here:
            here.sendall(b'\2\0')
        assert receive(there, Buffers()) is None
