"""
The process that publishes a load: exact rates, known numbers, nothing else.

It says ``matched`` once each topic has a subscriber, publishes when a line arrives, then says in
one line of JSON what it has sent, and stays until its standard input is closed.
"""

from __future__ import annotations

import heapq
import json
import sys
import time
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy

from bench.loads import HISTORY_S, Load, Stream
from bench.payloads import pool
from twinsight_store.message_types import message_class

MATCH_PATIENCE_S = 30.0
DELIVERY_PATIENCE_S = 15.0
SETTLE_S = 0.7
"""After our side has found the subscriber, until the subscriber has found us as well."""

_HISTORY_BYTES = 512_000_000
_BEST_EFFORT_DEPTH = 5
_NAP_NS = 1_000_000
_SHORT_NAP_S = 0.000_05
_MOST_AT_ONCE = 32
_MOST_ARREARS_NS = 50_000_000
"""What is later than this is not caught up: a burst is another load than the one asked for."""


def run(load: Load) -> int:
    """Publish one load; return the exit code."""
    rclpy.init()
    node = Node('bench_publisher')
    publishers: list[Publisher[Any]] = [
        node.create_publisher(
            message_class(stream.type_name), stream.topic, qos(stream, load.history_s)
        )
        for stream in load.streams
    ]
    pools = [pool(stream) for stream in load.streams]
    give_up_at = time.monotonic() + MATCH_PATIENCE_S
    while not all(publisher.get_subscription_count() for publisher in publishers):
        if time.monotonic() > give_up_at:
            print('nobody subscribes to all topics', file=sys.stderr)
            return 1
        time.sleep(0.02)
    time.sleep(SETTLE_S)
    print('matched', flush=True)
    if not sys.stdin.readline():
        return 1
    sent, took_s = _publish(load, publishers, pools)
    before_s = time.monotonic()
    give_up_at = before_s + DELIVERY_PATIENCE_S
    acknowledged = True
    for publisher in publishers:  # at once true for best effort
        patience = Duration(seconds=max(give_up_at - time.monotonic(), 0.0))
        acknowledged &= publisher.wait_for_all_acked(patience)
    print(json.dumps({
        'sent': {stream.topic: n for stream, n in zip(load.streams, sent, strict=True)},
        'took_s': took_s,
        'acknowledged': acknowledged,
        'acknowledged_after_s': time.monotonic() - before_s,
    }), flush=True)
    sys.stdin.read()
    return 0


def qos(stream: Stream, history_s: float = HISTORY_S) -> QoSProfile:
    """Return the profile of a stream's publisher: deep enough to lose nothing by itself."""
    if not stream.reliable:
        return QoSProfile(
            depth=_BEST_EFFORT_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT
        )
    fits = _HISTORY_BYTES // max(stream.size_bytes, 1000)
    return QoSProfile(depth=max(20, min(round(history_s * stream.rate_hz), fits, 20_000)))


def _publish(load: Load, publishers: list[Any], pools: list[Any]) -> tuple[list[int], float]:
    """Return how many messages of each topic were sent, and the seconds that it took."""
    sent = [0] * len(publishers)
    periods = [round(1e9 / stream.rate_hz) for stream in load.streams]
    start_ns = time.monotonic_ns()
    end_ns = start_ns + round(load.seconds * 1e9)
    # Topics of one rate do not all come in the same instant.
    due = [
        (start_ns + period * index // len(periods), index)
        for index, period in enumerate(periods)
    ]
    heapq.heapify(due)
    clock_ns, wall_ns, sleep = time.monotonic_ns, time.time_ns, time.sleep
    while due[0][0] < end_ns:
        due_ns, index = due[0]
        left_ns = due_ns - clock_ns()
        while left_ns > 0:
            sleep((left_ns - _NAP_NS) * 1e-9 if left_ns > 2 * _NAP_NS else _SHORT_NAP_S)
            left_ns = due_ns - clock_ns()
        period_ns = periods[index]
        # All of the topic that is due by now, in one go: the clock and the heap cost as well.
        count = min(1 + -left_ns // period_ns, _MOST_AT_ONCE, -(-(end_ns - due_ns) // period_ns))
        publish, messages, first = publishers[index].publish, pools[index], sent[index]
        many = len(messages)
        for number in range(first, first + count):
            publish(messages[number % many].fill(number, wall_ns()))
        sent[index] = first + count
        skipped_to_ns = due_ns if left_ns > -_MOST_ARREARS_NS else due_ns - left_ns
        heapq.heapreplace(due, (skipped_to_ns + count * period_ns, index))
    return sent, max(time.monotonic_ns() - start_ns, round(load.seconds * 1e9)) * 1e-9
