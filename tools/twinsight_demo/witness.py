"""
A node that only looks: it subscribes to topics and writes down every message that arrives.

Usage: python -m twinsight_demo.witness TOPICS.json OUT.jsonl
TOPICS.json lists objects with topic, type, reliable, latched, messages. It prints "ready" when it
is subscribed and ends, writing OUT.jsonl, on SIGTERM or SIGINT: at once where as many messages
came as there are to be, else when the others did not come for a while.
"""

from __future__ import annotations

from functools import partial
import json
from pathlib import Path
import signal
import sys
import threading
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from twinsight_demo.sighting import digest_of, Sighting, write
from twinsight_store.message_types import message_class

_DEPTH = 5000
_LATE_S = 10.0


def main() -> int:
    """Look until a signal comes; return the exit code."""
    topics, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('witness')
    # Only kept here; digests are made at the end, so that looking costs the least.
    seen: list[tuple[str, int, bytes]] = []

    def look(topic: str, data: bytes, info: dict[str, Any]) -> None:
        seen.append((topic, info['source_timestamp'], data))

    for topic in topics:
        qos = QoSProfile(
            depth=_DEPTH,
            reliability=(
                ReliabilityPolicy.RELIABLE if topic['reliable'] else ReliabilityPolicy.BEST_EFFORT
            ),
            durability=(
                DurabilityPolicy.TRANSIENT_LOCAL if topic['latched'] else DurabilityPolicy.VOLATILE
            ),
        )
        node.create_subscription(
            message_class(topic['type']), topic['topic'], partial(look, topic['topic']), qos,
            raw=True,
        )
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    print('ready', flush=True)
    while not stop.is_set():
        executor.spin_once(timeout_sec=0.05)
    # Best-effort topics have no acknowledgement: the last messages may still be on their way.
    expected, end = sum(topic['messages'] for topic in topics), time.monotonic() + _LATE_S
    while len(seen) < expected and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
    write(out, (Sighting(topic, ns, len(data), digest_of(data)) for topic, ns, data in seen))
    rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
