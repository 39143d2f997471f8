"""The watch for big messages that are lost inside Fast DDS, over all topics of a recorder."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.utilities import get_rmw_implementation_identifier

from twinsight_recorder.raw.big_loss import BigLossWatch
from twinsight_recorder.raw.topic_watch import TopicWatch


class BigLosses:
    """Looks at every topic that was ever recorded; warns of each that shows the pattern."""

    def __init__(self, watch: TopicWatch, warn: Callable[[str], object]) -> None:
        self._watch = watch
        self._warn = warn
        self._is_needed = get_rmw_implementation_identifier().startswith('rmw_fastrtps')
        self._of_topics: dict[str, BigLossWatch] = {}

    def look(self, now_ns: int) -> None:
        """Look once; to be called once a second, with a monotonic time (ns)."""
        if not self._is_needed:
            return
        watch = self._watch
        for name, topic in watch.topics.items():
            if name not in self._of_topics:
                self._of_topics[name] = BigLossWatch(name, topic.channel.type_name)
            warning = self._of_topics[name].see(
                now_ns, topic.tally.received, topic.lost, topic.tally.bytes,
                watch.is_best_effort(name), watch.publishers_of(name),
            )
            if warning:
                self._warn(warning)
