"""What a replay does, ten times a second: the topic ~/status."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Header

from twinsight_interfaces.msg import ReplayStatus
from twinsight_replay.playing import State, Status
from twinsight_replay.ros_times import to_msg
from twinsight_replay.topic_publishers import TopicPublishers

PERIOD_S = 0.1
_FAREWELL = Duration(seconds=2.0)

_STATES = {
    State.STARTING: ReplayStatus.STARTING,
    State.PLAYING: ReplayStatus.PLAYING,
    State.PAUSED: ReplayStatus.PAUSED,
    State.WAITING: ReplayStatus.WAITING,
    State.FINISHED: ReplayStatus.FINISHED,
}


class StatusTopic:
    """
    Publishes statuses.

    unreadable  returns a count; queued returns messages and bytes
    """

    def __init__(
        self, node: Node, publishers: TopicPublishers, unreadable: Callable[[], int],
        queued: Callable[[], tuple[int, int]],
    ) -> None:
        self._publisher = node.create_publisher(ReplayStatus, '~/status', 10)
        self._publishers = publishers
        self._unreadable = unreadable
        self._queued = queued

    def finish(self) -> None:
        """Return when those who listen have got the last status, which would go with us."""
        self._publisher.wait_for_all_acked(_FAREWELL)

    def tell(self, status: Status, time_ns: int) -> None:
        """Publish a status with its time (Unix ns)."""
        queued, queued_bytes = self._queued()
        self._publisher.publish(ReplayStatus(
            header=Header(stamp=to_msg(time_ns)),
            state=_STATES[status.state],
            paused=status.paused,
            rate=status.rate,
            position=to_msg(status.position_ns),
            start=to_msg(status.start_ns),
            end=to_msg(status.end_ns),
            lag=status.lag_ns / 1e9,
            loop=status.loop,
            published=self._publishers.published,
            published_bytes=self._publishers.published_bytes,
            not_published=self._publishers.not_published,
            unreadable=self._unreadable(),
            queued=queued,
            queued_bytes=queued_bytes,
        ))
