"""
The process that stands for a bag recorder: the same subscriptions, straight into an MCAP file.

Chunks of 1 MB, not compressed, checksums as the MCAP library has them by default. Messages are
written in the callback, which goes on taking until its subscription is empty, as our recorder's.
"""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
import signal
import time
from typing import Any

from mcap.writer import CompressionType, Writer
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from bench.loads import Load, Stream
from bench.raw_subscription import RawSubscription
from twinsight_store.message_definition import definition
from twinsight_store.ros_qos import request_for

from .publisher import qos


def run(load: Load, file: Path) -> int:
    """Record until SIGINT; print what was received as JSON."""
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGINT, stop)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('bench_bag_recorder')
    with file.open('wb') as stream:
        writer = Writer(stream, compression=CompressionType.NONE)
        writer.start('ros2', 'bench')
        topics = [_Topic(node, each, writer) for each in load.streams]
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not stopped:
            executor.spin_once(timeout_sec=0.1)
        for topic in topics:
            topic.subscription.take_waiting()
        writer.finish()
    print(json.dumps({'received': sum(topic.received for topic in topics)}), flush=True)
    rclpy.shutdown()
    return 0


class _Topic:
    def __init__(self, node: Node, stream: Stream, writer: Writer) -> None:
        self.received = 0
        self._writer = writer
        encoding, text = definition(stream.type_name)
        schema = writer.register_schema(stream.type_name, encoding, text)
        self._channel = writer.register_channel(stream.topic, 'cdr', schema)
        self.subscription = RawSubscription(
            node, stream.topic, stream.type_name, request_for([qos(stream)]), self._write
        )

    def _write(self, data: bytes, info: Mapping[str, Any]) -> None:
        self.received += 1
        receive_ns = info['received_timestamp'] or time.time_ns()
        self._writer.add_message(
            self._channel, receive_ns, data, info['source_timestamp'] or receive_ns,
            (info.get('publication_sequence_number') or 0) & 0xFFFF_FFFF,
        )
