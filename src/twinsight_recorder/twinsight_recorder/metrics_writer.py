"""
The metrics writer: Kafka into TimescaleDB and Redis.

Each store has a consumer group and a thread of its own, so that one that is away holds up the
other one no more than Kafka does. Several writers share the robots among them: start another
one with the same parameters. Parameters: see config/metrics_writer.yaml. Once a second it
publishes twinsight_interfaces/msg/MetricsStatus on ~/status, and /diagnostics.
"""

from __future__ import annotations

import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration

from twinsight_interfaces.msg import MetricsStatus
from twinsight_recorder.fixed_parameters import refuse_changes
from twinsight_recorder.kafka.client import library
from twinsight_recorder.kafka.feed import FeedSettings, KafkaFeed
from twinsight_recorder.kafka.view import diagnostic_of, print_summary, status_of
from twinsight_recorder.kafka.writer_settings import MetricsWriterSettings
from twinsight_recorder.metrics.notices import Notices
from twinsight_recorder.metrics.stores import history_store, live_store
from twinsight_recorder.node_program import NodeProgram, RunningNode, summary_console
from twinsight_store.parameters import validated

_EXAMPLE = """example:
  TWINSIGHT_KAFKA=127.0.0.1:9092 ros2 run twinsight_recorder metrics_writer \\
    --ros-args --params-file metrics_writer.yaml
"""
_TURN_S = 0.1
_STATUS_PERIOD_S = 1.0
_FAREWELL = Duration(seconds=0.5)


class MetricsWriterNode(RunningNode):
    """Wires the feeds to ROS: parameters, status, diagnostics."""

    def __init__(self, arguments: list[str]) -> None:
        """Make the feeds; raises ConfigurationError."""
        super().__init__(
            'metrics_writer',
            allow_undeclared_parameters=True,
            automatically_declare_parameters_from_overrides=True,
        )
        given = {name: p.value for name, p in self.get_parameters_by_prefix('').items()}
        self.settings = validated(MetricsWriterSettings, given, arguments)
        refuse_changes(self)
        library()
        # before the stores: it names a wrong topic
        self.kafka = self.settings.kafka.with_environment()
        log = self.get_logger()
        self._notices = Notices(log.warning, log.info)
        self.feeds = [self._feed(name) for name in self.settings.sinks]
        self._status = self.create_publisher(MetricsStatus, '~/status', 1)
        self._diagnostics = None
        if self.settings.diagnostics:
            self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        self._last = (time.monotonic(), 0)
        self.create_timer(
            _STATUS_PERIOD_S, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def begin(self) -> None:
        """Begin to write."""
        for feed in self.feeds:
            feed.start()

    def turn(self) -> None:
        """Raise what ended a feed, which is a defect."""
        for feed in self.feeds:
            if feed.failure is not None:
                raise feed.failure

    def publish(self) -> None:
        """Publish how things are."""
        status = status_of(self.feeds)
        status.header.stamp = self.get_clock().now().to_msg()
        then, before = self._last
        self._last = (time.monotonic(), status.samples)
        status.samples_per_s = (status.samples - before) / max(1e-3, self._last[0] - then)
        self._status.publish(status)
        if self._diagnostics is not None:
            name = self.get_fully_qualified_name().removeprefix('/')
            array = DiagnosticArray(status=[diagnostic_of(name, feed) for feed in self.feeds])
            array.header.stamp = status.header.stamp
            self._diagnostics.publish(array)

    def finish(self) -> bool:
        """End the feeds and print what was written; return whether all of it was."""
        for feed in self.feeds:
            feed.finish()
        end = time.monotonic() + self.settings.stop_timeout
        for feed in self.feeds:
            if not feed.join(max(0.0, end - time.monotonic())):
                self.get_logger().warning(
                    f'{feed.sink.name} did not answer in time; what it has not taken waits in '
                    'Kafka'
                )
        self.publish()
        self._status.wait_for_all_acked(_FAREWELL)
        print_summary(
            summary_console(),
            f'written: {self.kafka.topic} by group {self.settings.group}', self.feeds,
        )
        self.turn()
        return not any(feed.tally.refused or feed.tally.unreadable for feed in self.feeds)

    def _feed(self, name: str) -> KafkaFeed:
        settings = self.settings
        redis = name == 'redis'
        store = live_store(settings.live) if redis else history_store(settings.history)
        feed_settings = FeedSettings(
            f'{settings.group}.{name}', settings.batch.messages, int(settings.batch.size),
            store.gather_s, settings.session_timeout,
        )
        return KafkaFeed(self.kafka, feed_settings, store.sink, self._notices, store.look)


def main(arguments: list[str] | None = None) -> int:
    """Write until SIGINT or SIGTERM; return the exit code."""
    return NodeProgram(
        'metrics_writer', 'Write metrics from Kafka into TimescaleDB and Redis.', _EXAMPLE,
        MetricsWriterNode, _TURN_S,
    ).run(arguments)


if __name__ == '__main__':
    sys.exit(main())
