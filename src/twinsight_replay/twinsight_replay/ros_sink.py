"""Where a replay plays to: topics, /clock, and the signal of jumps."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
import time

from rclpy.node import Node
from std_msgs.msg import Header

from twinsight_interfaces.msg import ReplayJump
from twinsight_replay.playing import Jump, Reason
from twinsight_replay.ros_times import to_msg
from twinsight_replay.sim_clock import SimClock
from twinsight_replay.topic_publishers import TopicPublishers
from twinsight_store.channel import Channel
from twinsight_store.message import Message

_REASONS = {
    Reason.SEEK: ReplayJump.SEEK, Reason.LOOP: ReplayJump.LOOP, Reason.PLAY: ReplayJump.PLAY,
}


class RosSink:
    """Publishes what is played; see Sink."""

    def __init__(
        self, node: Node, publishers: TopicPublishers, clock: SimClock | None,
        restamp: Callable[[Message], bytes] | None, clock_topics: tuple[str, ...] = (),
    ) -> None:
        """
        Make one.

        clock         tells the time; None where nobody wants it
        restamp       gives a message's bytes with other times; None leaves them
        clock_topics  recorded topics, or patterns, before whose messages the clock is told
        """
        self._publishers = publishers
        self._clock = clock
        self._restamp = restamp
        self._clock_topics = clock_topics
        self._tells: dict[Channel, bool] = {}
        self._jumps = node.create_publisher(ReplayJump, '~/jumped', 10)

    def publish(self, message: Message, late_ns: int) -> None:
        """Publish a message that is due."""
        if self._clock and self._clock_topics and self._tells_clock(message.channel):
            self._clock.tell(message.receive_ns)
        data = self._restamp(message) if self._restamp else message.data
        self._publishers.publish(message, data, late_ns)

    def latch(self, message: Message) -> None:
        """Publish a message from before, which holds now."""
        data = self._restamp(message) if self._restamp else message.data
        self._publishers.latch(message, data)

    def jump(self, jump: Jump) -> None:
        """Tell of a jump, by /clock first."""
        if self._clock:
            self._clock.jump(jump.to_ns)
        self._jumps.publish(ReplayJump(
            header=Header(stamp=to_msg(time.time_ns())),
            reason=_REASONS[jump.reason],
            backwards=jump.to_ns < jump.from_ns,
            from_position=to_msg(jump.from_ns),
            to_position=to_msg(jump.to_ns),
        ))

    def _tells_clock(self, channel: Channel) -> bool:
        tells = self._tells.get(channel)
        if tells is None:
            topic = channel.topic
            tells = any(fnmatchcase(topic, pattern) for pattern in self._clock_topics)
            self._tells[channel] = tells
        return tells
