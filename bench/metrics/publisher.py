"""
The process that publishes a load: exact rates, known numbers, nothing else.

It says ``matched`` once each topic has a subscriber, publishes when a line arrives, then says in
one line of JSON what it has sent, and stays until its standard input is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import json
import sys
import time
from typing import Any, TypeAlias

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

from twinsight_store.message_types import message_class

from .load import CountedMessage, Load, STREAMS

_MATCH_PATIENCE_S = 30.0
_DELIVERY_PATIENCE = Duration(seconds=15.0)
_SETTLE_S = 0.7
"""After our side has found the subscriber, until the subscriber has found us as well."""

_DEPTH = 10_000
_NAP_S = 0.000_5
_MOST_AT_ONCE = 64
_MOST_ARREARS_S = 0.05
"""What is later than this is not caught up: a burst is another load than the one asked for."""

_Send: TypeAlias = tuple[Callable[[bytes], object], Callable[[int, int], bytes]]
"""Publishes bytes; makes them of number and time (Unix ns)."""


def main() -> int:
    """Publish the load of the command line; return the exit code."""
    load = Load.from_json(sys.argv[1])
    rclpy.init()
    node = Node('bench_publisher')
    # Reliable and deep: it loses nothing by itself.
    qos = QoSProfile(depth=_DEPTH)
    publishers: list[Publisher[Any]] = [
        node.create_publisher(message_class(stream.type_name), stream.topic, qos)
        for stream in STREAMS
    ]
    messages = [CountedMessage(stream) for stream in STREAMS]
    sends = [
        (publisher.publish, message.fill)
        for publisher, message in zip(publishers, messages, strict=True)
    ]
    give_up_at = time.monotonic() + _MATCH_PATIENCE_S
    while not all(publisher.get_subscription_count() for publisher in publishers):
        if time.monotonic() > give_up_at:
            print('nobody subscribes to all topics', file=sys.stderr)
            return 1
        time.sleep(0.02)
    time.sleep(_SETTLE_S)
    print('matched', flush=True)
    if not sys.stdin.readline():
        return 1
    took_s = _publish(load, sends)
    acknowledged = all(
        publisher.wait_for_all_acked(_DELIVERY_PATIENCE) for publisher in publishers
    )
    print(json.dumps({'took_s': took_s, 'acknowledged': acknowledged}), flush=True)
    sys.stdin.read()
    return 0


def _publish(load: Load, sends: Sequence[_Send]) -> float:
    """Publish all messages, the topics in turns; return the seconds that it took."""
    topics, clock_s = len(sends), time.monotonic
    total, period_s = load.rounds * topics, 1.0 / (load.rate_hz * topics)
    begin_s = clock_s()
    start_s, done = begin_s, 0
    while done < total:
        late_s = clock_s() - start_s - done * period_s
        if late_s < 0.0:
            time.sleep(max(-late_s, _NAP_S))
            continue
        if late_s > _MOST_ARREARS_S:
            start_s += late_s
            late_s = 0.0
        count = min(1 + int(late_s / period_s), _MOST_AT_ONCE, total - done)
        for position in range(done, done + count):
            publish, fill = sends[position % topics]
            publish(fill(position // topics, time.time_ns()))
        done += count
    return max(clock_s() - begin_s, load.seconds)


if __name__ == '__main__':
    sys.exit(main())
