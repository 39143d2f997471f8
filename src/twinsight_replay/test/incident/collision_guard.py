"""A node under test: tells the robot to stop where three scans in a row see something close."""

from __future__ import annotations

from contextlib import suppress

from geometry_msgs.msg import TwistStamped
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import LaserScan

CLOSE_M = 0.5
SCANS = 3


class CollisionGuard(Node):
    """Publishes a twist of zero on /stop, with the stamp of the scan that it answers."""

    def __init__(self) -> None:
        super().__init__('collision_guard')
        self._close = 0
        self._stop = self.create_publisher(TwistStamped, '/stop', 10)
        self.create_subscription(LaserScan, '/scan', self._look, qos_profile_sensor_data)

    def _look(self, scan: LaserScan) -> None:
        seen = [distance for distance in scan.ranges if distance >= scan.range_min]
        self._close = self._close + 1 if seen and min(seen) < CLOSE_M else 0
        if self._close == SCANS:
            self.get_logger().warning(f'{min(seen):.2f} m: stop')
            self._stop.publish(TwistStamped(header=scan.header))


def main() -> None:
    """Run the node until it is told to end."""
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(CollisionGuard())


if __name__ == '__main__':
    main()
