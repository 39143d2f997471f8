"""The topic /clock: recorded time, as tools that use_sim_time want it."""

from __future__ import annotations

from collections.abc import Callable
import threading

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

from twinsight_replay.ros_times import to_msg


class SimClock:
    """Publishes /clock from several threads; it goes back where the position jumps back only."""

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(Clock, '/clock', QoSProfile(depth=10))
        self._lock = threading.Lock()
        self._latest_ns = 0

    def jump(self, position_ns: int) -> None:
        """Go to a position, back too; publish it."""
        with self._lock:
            self._latest_ns = position_ns
            self._publisher.publish(Clock(clock=to_msg(position_ns)))

    def tell(self, position_ns: int) -> None:
        """Publish a position, or the latest one where that is later."""
        self.follow(lambda: position_ns)

    def follow(self, position_ns: Callable[[], int]) -> None:
        """Publish a position as tell() does; no jump comes between reading and publishing it."""
        with self._lock:
            self._latest_ns = max(self._latest_ns, position_ns())
            self._publisher.publish(Clock(clock=to_msg(self._latest_ns)))
