"""
The process that sends a load: to ROS topics, or straight to viewers with foxglove-sdk and no ROS.

It says which port its server has (0 where it has none), then ``matched`` once each topic has so
many subscribers. It sends when a line arrives on its standard input, until the load's time is over
or a second line arrives, then says in one line of JSON what it has sent, and stays until its
standard input is closed. The times in the messages are the monotonic clock's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import heapq
import json
import sys
import threading
import time
from typing import Any

from foxglove import Channel, Context, Schema, start_server
from foxglove.websocket import ChannelView, Client, ServerListener, WebSocketServer
import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher

from bench.loads import Load
from bench.marks import MarkedMessage
from bench.payloads import pool
from bench.recorder.publisher import qos
from twinsight_store.message_definition import definition
from twinsight_store.message_types import message_class

ROS, SDK = 'ros', 'sdk'

_PATIENCE_S = 60.0
_DELIVERY_S = 5.0
_SETTLE_S = 0.7
"""After our side has found the subscriber, until the subscriber has found us as well."""

_MOST_AT_ONCE = 32
_MOST_ARREARS_NS = 50_000_000
"""What is later than this is not caught up: a burst is another load than the one asked for."""


def main() -> int:
    """Send one load; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('to', choices=(ROS, SDK))
    parser.add_argument('load', type=Load.from_json)
    parser.add_argument('subscribers', type=int)
    options = parser.parse_args()
    outlet = (_Topics if options.to == ROS else _Server)(options.load)
    pools = [pool(stream) for stream in options.load.streams]
    print(json.dumps({'port': outlet.port}), flush=True)
    give_up_at = time.monotonic() + _PATIENCE_S
    while outlet.subscribers() < options.subscribers:
        if time.monotonic() > give_up_at:
            print('nobody subscribes to all topics', file=sys.stderr)
            return 1
        time.sleep(0.02)
    time.sleep(_SETTLE_S)
    print('matched', flush=True)
    orders = began, stop, over = threading.Event(), threading.Event(), threading.Event()
    threading.Thread(target=_listen, args=orders, daemon=True).start()
    began.wait()
    sent, took_s = _send(options.load, outlet.sends, pools, stop)
    outlet.deliver()
    print(json.dumps({
        'sent': {each.topic: n for each, n in zip(options.load.streams, sent, strict=True)},
        'took_s': took_s,
    }), flush=True)
    over.wait()
    outlet.end()
    return 0


def _listen(began: threading.Event, stop: threading.Event, over: threading.Event) -> None:
    for order in (began, stop):
        sys.stdin.readline()
        order.set()
    sys.stdin.read()
    over.set()


class _Topics:
    """ROS topics; a deep queue, so that nothing is lost on this side."""

    port = 0

    def __init__(self, load: Load) -> None:
        rclpy.init()
        self._node = Node('bench_source')
        self._publishers: list[Publisher[Any]] = [
            self._node.create_publisher(message_class(each.type_name), each.topic, qos(each))
            for each in load.streams
        ]
        self.sends: list[Callable[[bytes], Any]] = [each.publish for each in self._publishers]

    def subscribers(self) -> int:
        return min(each.get_subscription_count() for each in self._publishers)

    def deliver(self) -> None:
        for each in self._publishers:
            each.wait_for_all_acked(Duration(seconds=_DELIVERY_S))

    def end(self) -> None:
        self._node.destroy_node()
        rclpy.shutdown()


class _Server(ServerListener):
    """A server as the bridge has one, with the same channels."""

    def __init__(self, load: Load) -> None:
        context = self._context = Context()  # channels alone do not keep it
        self._subscribed: dict[int, int] = {}
        self._channels = []
        for stream in load.streams:
            encoding, text = definition(stream.type_name)
            self._channels.append(Channel(
                stream.topic, message_encoding='cdr', context=context,
                schema=Schema(name=stream.type_name, encoding=encoding, data=text),
            ))
        self.sends: list[Callable[[bytes], Any]] = [each.log for each in self._channels]
        self._server: WebSocketServer = start_server(
            name='bench', host='127.0.0.1', port=0, context=context, server_listener=self
        )
        self.port = self._server.port

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:
        """See ServerListener."""
        self._subscribed[channel.id] = self._subscribed.get(channel.id, 0) + 1

    def subscribers(self) -> int:
        return min(self._subscribed.get(each.id(), 0) for each in self._channels)

    def deliver(self) -> None:
        """Do nothing: nobody acknowledges what was logged."""

    def end(self) -> None:
        self._server.stop()


def _send(
    load: Load, sends: list[Callable[[bytes], Any]], pools: list[list[MarkedMessage]],
    stop: threading.Event,
) -> tuple[list[int], float]:
    """Return how many messages of each topic were sent, and the seconds that it took."""
    sent = [0] * len(sends)
    periods = [round(1e9 / stream.rate_hz) for stream in load.streams]
    clock_ns = time.monotonic_ns
    start_ns = clock_ns()
    end_ns = start_ns + round(load.seconds * 1e9)
    # Topics of one rate do not all come in the same instant.
    due = [
        (start_ns + period * index // len(periods), index)
        for index, period in enumerate(periods)
    ]
    heapq.heapify(due)
    while due[0][0] < end_ns and not stop.is_set():
        due_ns, index = due[0]
        late_ns = clock_ns() - due_ns
        if late_ns < 0:
            time.sleep(-late_ns * 1e-9)
            continue
        period_ns, first, messages = periods[index], sent[index], pools[index]
        count = min(1 + late_ns // period_ns, _MOST_AT_ONCE, -(-(end_ns - due_ns) // period_ns))
        send, many = sends[index], len(messages)
        for number in range(first, first + count):
            send(messages[number % many].fill(number, clock_ns()))
        sent[index] = first + count
        skipped_to_ns = due_ns if late_ns < _MOST_ARREARS_NS else due_ns + late_ns
        heapq.heapreplace(due, (skipped_to_ns + count * period_ns, index))
    stop.wait(max(end_ns - clock_ns(), 0) * 1e-9)  # the last message's period is part of it
    return sent, (clock_ns() - start_ns) * 1e-9


if __name__ == '__main__':
    sys.exit(main())
