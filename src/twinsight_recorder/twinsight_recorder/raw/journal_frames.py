"""
How the recorder's messages lie in the spool.

A frame is a message (source's number, receive and publish time, sequence, then the bytes that
came off the wire), or the description of a source: what a message is stored with besides. Each
segment describes the sources that its messages use, so the segments before it may go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import json
from pathlib import Path
import struct
from typing import NamedTuple

from twinsight_recorder.raw.intake import Arrival
from twinsight_recorder.raw.recorded_topic import RecordedTopic, Source
from twinsight_recorder.raw.topic_rules import TopicRule
from twinsight_store.channel import Channel
from twinsight_store.errors import SpoolError, TwinsightError
from twinsight_store.spool import Position, Spool
from twinsight_store.spool_frames import Frame

_MESSAGE = struct.Struct('<BIqqQ')
_SOURCE = struct.Struct('<BI')
_IS_SOURCE, _IS_MESSAGE = 0, 1


class Found(NamedTuple):
    """What lies in the spool, and where the next begins; a description has no source."""

    source: Source | None
    payload: memoryview
    after: Position


def frames_of(
    arrivals: Sequence[Arrival], described: set[int]
) -> tuple[list[Frame], dict[int, Source]]:
    """
    Return messages as they lie on disk, and the sources that are described with them.

    described  numbers of the sources that the segment describes already
    """
    pack = _MESSAGE.pack
    frames: list[Frame] = []
    new: dict[int, Source] = {}
    for source, receive_ns, publish_ns, sequence, data in arrivals:
        number = source.number
        if number not in described and number not in new:
            new[number] = source
            frames.append((_SOURCE.pack(_IS_SOURCE, number), _description(source)))
        frames.append((pack(_IS_MESSAGE, number, receive_ns, publish_ns, sequence), data))
    return frames, new


def arrival_of(source: Source, payload: memoryview) -> Arrival:
    """Return the message of a frame."""
    _, _, receive_ns, publish_ns, sequence = _MESSAGE.unpack_from(payload)
    return Arrival(source, receive_ns, publish_ns, sequence, bytes(payload[_MESSAGE.size:]))


class FrameReader:
    """
    Reads frames in their order.

    topics     this recorder's, by name: messages that it wrote are counted there
    earlier    an earlier recorder's, by name, made when they are found
    first_own  where this recorder began to write
    """

    def __init__(self, folder: Path) -> None:
        self.topics: dict[str, RecordedTopic] = {}
        self.earlier: dict[str, RecordedTopic] = {}
        self.first_own = Position(0, 0)
        self._where = f'spool {folder}'
        self._sources: dict[int, Source] = {}

    def read(self, spool: Spool, cursor: Position) -> Iterator[Found]:
        """
        Give what lies after a cursor: a segment's beginning, or where the last read ended.

        Raises SpoolError where that cannot be read.
        """
        if not cursor.offset:
            self._sources.clear()
        at = cursor.segment
        for payload, after in spool.read(cursor):
            if after.segment != at:
                at = after.segment
                self._sources.clear()
            source = None
            try:
                if payload[0] == _IS_SOURCE:
                    number = _SOURCE.unpack_from(payload)[1]
                    description = bytes(payload[_SOURCE.size:])
                    self._sources[number] = self._source(description, number, at)
                else:
                    source = self._sources[_MESSAGE.unpack_from(payload)[1]]
            except (KeyError, struct.error) as error:
                raise SpoolError(f'{self._where}: segment {at} is not of this version') from error
            yield Found(source, payload, after)

    def _source(self, description: bytes, number: int, segment: int) -> Source:
        try:
            found = json.loads(description)
            channel = Channel.from_attachment(found['channel'], self._where)
            known = self.earlier if segment < self.first_own.segment else self.topics
            topic = known.setdefault(channel.topic, RecordedTopic(channel, TopicRule('')))
            return Source(
                topic, found['robot_id'], channel, found['labels'], found['bucket'],
                found['compression'], False, number,
            )
        except (ValueError, KeyError, TypeError, TwinsightError) as error:
            raise SpoolError(
                f'{self._where}: a description cannot be read ({error})'
            ) from error


def _description(source: Source) -> bytes:
    return json.dumps(
        {
            'robot_id': source.robot_id,
            'channel': source.channel.to_attachment(),
            'labels': dict(source.labels),
            'bucket': source.bucket,
            'compression': source.compression,
        }
    ).encode()
