"""
The process that a replay plays to: it notes when each message came.

It says ``listening``, then ``began`` with the first message, and when a line arrives on its
standard input it prints what it noted as one line of JSON: of each topic the numbers of the
messages (from 0, as the publisher counts them) and when DDS had them (Unix ns), and what
``~/status`` said.
"""

from __future__ import annotations

from collections.abc import Mapping
import json
import sys
import threading
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from bench.raw_subscription import RawSubscription
from twinsight_interfaces.msg import ReplayStatus

_DEPTH = 1000


def main() -> int:
    """Listen to topics, given as JSON pairs of name and type; return the exit code."""
    rclpy.init()
    node = Node('bench_listener')
    statuses: list[tuple[int, int, int]] = []
    began = threading.Event()
    topics = [_Topic(node, name, type_name, began) for name, type_name in json.loads(sys.argv[1])]

    def note(status: ReplayStatus) -> None:
        statuses.append((status.state, status.queued, status.queued_bytes))

    node.create_subscription(ReplayStatus, '/replay/status', note, 10)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    print('listening', flush=True)
    stop = threading.Event()
    threading.Thread(target=_wait_for_line, args=(stop,), daemon=True).start()
    told = False
    while not stop.is_set():
        executor.spin_once(timeout_sec=0.1)
        if not told and began.is_set():
            told = True
            print('began', flush=True)
    for topic in topics:
        topic.subscription.take_waiting()
    print(json.dumps({
        'seen': {topic.name: topic.seen for topic in topics}, 'statuses': statuses,
    }), flush=True)
    sys.stdin.read()
    return 0


def _wait_for_line(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


class _Topic:
    def __init__(self, node: Node, name: str, type_name: str, began: threading.Event) -> None:
        self.name = name
        self.seen: list[tuple[int, int]] = []
        self._began = began
        self.subscription = RawSubscription(
            node, name, type_name, QoSProfile(depth=_DEPTH), self._note
        )

    def _note(self, _: bytes, info: Mapping[str, Any]) -> None:
        number = info['publication_sequence_number'] - 1
        self.seen.append((number, info['received_timestamp']))
        self._began.set()


if __name__ == '__main__':
    sys.exit(main())
