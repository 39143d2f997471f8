"""
The process that plays as fast as it can, and prints what it took as one line of JSON.

From a bucket or from an MCAP file, to topics or to nothing: the player is the same. A bucket is
read as the command reads it, in a process of its own, or in a thread. It can also read a bucket's
records without taking them apart: what the store gives at best.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from functools import partial
import json
import math
import os
from pathlib import Path
import resource
import sys
import time
from typing import Any

import rclpy
from rclpy.node import Node

from bench.process import cpu_s, tree
from twinsight_replay.controls import Controls
from twinsight_replay.play_options import PlayOptions
from twinsight_replay.player import Player
from twinsight_replay.playing import Jump
from twinsight_replay.process_tuning import spare_collections, tune_process
from twinsight_replay.read_ahead import ReadAhead
from twinsight_replay.reading_process import ReadingProcess
from twinsight_replay.ros_side import RosSide
from twinsight_replay.ros_sink import RosSink
from twinsight_replay.status_topic import StatusTopic
from twinsight_replay.topic_names import TopicNames
from twinsight_replay.topic_publishers import TopicPublishers
from twinsight_replay.wakeup import Wakeup
from twinsight_store.catalog import Catalog
from twinsight_store.channel import Channel
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.message import Message
from twinsight_store.open_timeline import open_timeline, TimelineSettings
from twinsight_store.record_query import fetch_windows
from twinsight_store.selection import Selection

from .file_feed import FileFeed

_PATIENCE_S = 30.0
_FIRST_WINDOW_US = 20_000


class NullSink:
    """Takes messages and drops them; a Sink."""

    def publish(self, message: Message, late_ns: int) -> None:
        """Take a message."""

    def latch(self, message: Message) -> None:
        """Take a message."""

    def jump(self, jump: Jump) -> None:
        """Hear of a jump."""


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', choices=('bucket', 'thread', 'file', 'records'))
    parser.add_argument('sink', choices=('topics', 'listener', 'nothing'))
    parser.add_argument('--bucket')
    parser.add_argument('--file', type=Path)
    options = parser.parse_args()
    tune_process()
    if options.source == 'records':
        found = asyncio.run(_read_records(options.bucket))
    elif options.sink == 'nothing':
        found = _play_to_nothing(options)
    else:
        found = _play_to_topics(options)
    # The child is the process that reads; it has ended.
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    found['peak_bytes'] = sum(resource.getrusage(each).ru_maxrss for each in whose) * 1024
    print(json.dumps(found), flush=True)
    return 0


async def _read_records(bucket: str) -> dict[str, float]:
    async with connect(StoreSettings.from_environment(bucket=bucket)) as connection:
        entries = await Catalog(connection).entries()
        first_us = min(entry.oldest_us for entry in entries)
        last_us = max(entry.latest_us for entry in entries)
        size = 0
        start_s, start_cpu_s = time.monotonic(), _cpu_s()
        windows = fetch_windows(
            connection, [entry.name for entry in entries], first_us, last_us + 1,
            length_us=_FIRST_WINDOW_US,
        )
        async for window in windows:
            size += sum(len(record.data) for record in window.records)
        return {'bytes': size, **_taken(start_s, start_cpu_s)}


def _play_to_nothing(options: argparse.Namespace) -> dict[str, Any]:
    wakeup = Wakeup()
    with _feed(options, wakeup) as feed:
        return _play(Player(feed, NullSink(), wakeup, PlayOptions(rate=math.inf)))


def _play_to_topics(options: argparse.Namespace) -> dict[str, Any]:
    """Play as the command does, its services and its status included."""
    rclpy.init()
    node = Node('replay', allow_undeclared_parameters=True)
    publishers = TopicPublishers(node, TopicNames(), node.get_logger().error)
    wakeup = Wakeup()
    with _feed(options, wakeup) as feed:
        channels: Sequence[tuple[str, Channel]] = feed.channels
        for _, channel in channels:
            publishers.announce({}, channel)
        player = Player(feed, RosSink(node, publishers, None, None), wakeup,
                        PlayOptions(rate=math.inf))
        status = StatusTopic(
            node, publishers, lambda: 0,
            lambda: (0, 0) if isinstance(feed, FileFeed) else feed.queued,
        )
        with RosSide(node, Controls(player), status, None, 0.0):
            if options.sink == 'listener':
                publishers.wait_for_subscribers(_PATIENCE_S)
            found = _play(player)
            publishers.finish()
    return found


def _feed(options: argparse.Namespace, wakeup: Wakeup) -> FileFeed | ReadAhead | ReadingProcess:
    if options.source == 'file':
        return FileFeed(options.file)
    settings = TimelineSettings(StoreSettings.from_environment(bucket=options.bucket))
    if options.source == 'thread':
        return ReadAhead(partial(open_timeline, Selection(), settings), wakeup.set)
    return ReadingProcess(Selection(), settings, wakeup.set)


def _play(player: Player) -> dict[str, Any]:
    spare_collections()
    start_s, start_cpu_s = time.monotonic(), _cpu_s()
    player.run()
    status = player.status()
    return {'messages': status.messages, 'bytes': status.bytes, **_taken(start_s, start_cpu_s)}


def _cpu_s() -> float:
    return sum(map(cpu_s, tree(os.getpid())))


def _taken(start_s: float, start_cpu_s: float) -> dict[str, float]:
    return {
        'took_s': time.monotonic() - start_s,
        'cpu_s': _cpu_s() - start_cpu_s,
    }


if __name__ == '__main__':
    sys.exit(main())
