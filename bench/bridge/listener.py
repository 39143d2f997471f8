"""
The process that is a plain ROS subscriber: serialized messages in the callbacks of an executor.

It says ``listening``, and when a line arrives on its standard input it prints what it noted as one
line of JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import json
import sys
import threading
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from bench.raw_subscription import RawSubscription

from .arrivals import Arrivals, SEARCHED_BYTES

_DEPTH = 1000


def main() -> int:
    """Listen to topics, given as JSON pairs of name and type; return the exit code."""
    rclpy.init()
    node = Node('bench_listener')
    arrivals = Arrivals()
    subscriptions = [
        RawSubscription(node, topic, type_name, QoSProfile(depth=_DEPTH), _into(arrivals, topic))
        for topic, type_name in json.loads(sys.argv[1])
    ]
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    print('listening', flush=True)
    stop = threading.Event()
    threading.Thread(target=_wait_for_line, args=(stop,), daemon=True).start()
    while not stop.is_set():
        executor.spin_once(timeout_sec=0.1)
    for subscription in subscriptions:
        subscription.take_waiting()
    print(json.dumps(arrivals.report()), flush=True)
    sys.stdin.read()
    return 0


def _into(arrivals: Arrivals, topic: str) -> Callable[[bytes, Mapping[str, Any]], None]:
    def take(data: bytes, _: Mapping[str, Any]) -> None:
        arrivals.add(topic, data[:SEARCHED_BYTES], len(data))

    return take


def _wait_for_line(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


if __name__ == '__main__':
    sys.exit(main())
