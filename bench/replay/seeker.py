"""
The process that seeks: it calls ~/seek and waits for the first message from there.

Arguments: the topics as JSON pairs of name and type, and the times to go to as JSON (Unix ns).
It says ``listening``; then, once messages come, it seeks to one time after the other, and prints
one line of JSON: of each seek, milliseconds from the call to its answer and to the first message
whose recorded time is that or shortly after.
"""

from __future__ import annotations

from functools import partial
import json
import sys
import time

import rclpy
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosbag2_interfaces.srv import Seek

from bench.marks import read_mark
from twinsight_replay.ros_times import to_msg
from twinsight_store.message_types import message_class

_DEPTH = 1000
_PATIENCE_S = 60.0
_AFTERWARDS_S = 0.5
_NEAR_NS = 2_000_000_000


class Seeker:
    """Goes to times, and sees what comes."""

    def __init__(self, topics: list[tuple[str, str]]) -> None:
        """Subscribe to topics, given by name and type."""
        self._node = Node('bench_seeker')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._target_ns = 0
        self._came_s: float | None = None
        for name, type_name in topics:
            self._node.create_subscription(
                message_class(type_name), name, partial(self._note, name),
                QoSProfile(depth=_DEPTH), raw=True,
            )
        self._client: Client = self._node.create_client(Seek, '/replay/seek')

    def wait_for_replay(self) -> None:
        """Return when it plays, and its service is there."""
        while self._came_s is None or not self._client.service_is_ready():
            self._executor.spin_once(timeout_sec=0.1)

    def seek(self, target_ns: int) -> tuple[float, float, str]:
        """Return how long (ms) answer and first message took, and the topic of that one."""
        self._came_s, self._target_ns = None, target_ns
        start_s = time.monotonic()
        answer = self._client.call_async(Seek.Request(time=to_msg(target_ns)))
        answered_s: float | None = None
        while self._came_s is None or answered_s is None:
            self._executor.spin_once(timeout_sec=0.1)
            if answered_s is None and answer.done():
                answered_s = time.monotonic()
            if time.monotonic() > start_s + _PATIENCE_S:
                raise TimeoutError(f'nothing came from {target_ns} in {_PATIENCE_S:g} s')
        taken_ms = (answered_s - start_s) * 1e3, (self._came_s - start_s) * 1e3
        until_s = time.monotonic() + _AFTERWARDS_S
        while time.monotonic() < until_s:
            self._executor.spin_once(timeout_sec=0.1)
        return *taken_ms, self._first_topic

    def _note(self, topic: str, data: bytes) -> None:
        if self._came_s is not None:
            return
        now_s = time.monotonic()
        mark = read_mark(data)
        if mark is None:
            return
        if not self._target_ns or 0 <= mark.publish_ns - self._target_ns < _NEAR_NS:
            self._came_s, self._first_topic = now_s, topic


def main() -> int:
    """Seek; return the exit code."""
    rclpy.init()
    seeker = Seeker(json.loads(sys.argv[1]))
    print('listening', flush=True)
    seeker.wait_for_replay()
    print(json.dumps([seeker.seek(target_ns) for target_ns in json.loads(sys.argv[2])]),
          flush=True)
    sys.stdin.read()
    return 0


if __name__ == '__main__':
    sys.exit(main())
