"""
The recorder node: raw topics into ReductStore.

Parameters: see config/recorder.yaml and settings.py. It publishes
twinsight_interfaces/msg/RecorderStatus on ~/status once a second.
"""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
import signal
import sys
import threading

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console

from twinsight_interfaces.msg import RecorderStatus, TopicStatus
from twinsight_recorder.delivery import StoreReport, StoreState
from twinsight_recorder.intake import Intake
from twinsight_recorder.pump import Pump
from twinsight_recorder.settings import RecorderSettings
from twinsight_recorder.summary import is_complete, print_summary
from twinsight_recorder.topic_rules import TopicRules
from twinsight_recorder.topic_watch import TopicWatch
from twinsight_store.errors import ConfigurationError
from twinsight_store.parameters import validated
from twinsight_store.ros_arguments import ros_argument_errors, split_arguments

_EXAMPLE = """examples:
  ros2 run twinsight_recorder recorder --ros-args -p robot_id:=robot_05 -p mission_id:=mission_42
  ros2 run twinsight_recorder recorder --ros-args --params-file recorder.yaml
"""
_REPEAT_S = 30
_WIDTH = 110


class Recorder:
    """One recording: a node, its subscriptions and the writing thread."""

    def __init__(self, node: Node, settings: RecorderSettings) -> None:
        """Begin to record; raises ConfigurationError where the store's address is not set."""
        store = settings.store_settings()
        self.settings = settings
        self.mission_id = settings.mission_id or f'{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}'
        self._node = node
        self._log = node.get_logger()
        self._report = StoreReport(StoreState.WAITING, '')
        self._intake = Intake(int(settings.memory_limit))
        self.pump = Pump(
            self._intake, store, settings.robot_id, self.mission_id, settings.chunk_rules(),
            self._store_changed,
        )
        self._status = node.create_publisher(RecorderStatus, '~/status', 1)
        rules = TopicRules(settings, frozenset({self._status.topic_name}))
        self.watch = TopicWatch(node, rules, self._intake, self._log.error)
        node.create_timer(settings.discovery_period, self.watch.update)
        node.create_timer(1.0, self._publish_status)
        self.pump.start()
        self._log.info(
            f'recording robot {settings.robot_id}, mission {self.mission_id} '
            f'into bucket {store.bucket} at {store.url}'
        )

    def finish(self) -> bool:
        """Take what has arrived, write it; return whether every message is stored."""
        self.watch.take_rest()
        self.pump.stop(self.settings.stop_timeout)
        if self._report.message:
            self._log.error(self._report.message)
        return is_complete(self.watch.topics.values())

    def _store_changed(self, report: StoreReport) -> None:
        """Say that the store is away, refuses, or is back; called in the writing thread."""
        before, self._report = self._report, report
        if report.state == StoreState.OK:
            if before.message:
                self._log.info('ReductStore takes records again')
            return
        next_step = 'waiting for it' if report.state == StoreState.WAITING else 'recording goes on'
        self._log.error(f'{report.message}; {next_step}', throttle_duration_sec=_REPEAT_S)

    def _publish_status(self) -> None:
        message = RecorderStatus()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.robot_id = self.settings.robot_id
        message.mission_id = self.mission_id
        message.store = int(self._report.state)
        message.store_message = self._report.message
        message.queued_bytes = self._intake.waiting_bytes
        message.queue_limit_bytes = self._intake.limit_bytes
        message.topics = [
            TopicStatus(
                topic=topic.name,
                type=topic.channel.type_name,
                sensor_type=topic.rule.sensor_type,
                received=topic.tally.received,
                stored=topic.tally.stored,
                lost=topic.loss.lost,
                dropped=topic.tally.dropped,
                refused=topic.tally.refused,
                rate_limited=topic.tally.rate_limited,
                bytes=topic.tally.bytes,
            )
            for topic in self.watch.topics.values()
        ]
        self._status.publish(message)


def main(arguments: list[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM; return the exit code."""
    arguments = sys.argv if arguments is None else arguments
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        own, ros = split_arguments(arguments)
        argparse.ArgumentParser(
            prog='recorder', description='Record raw topics into ReductStore.', epilog=_EXAMPLE,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        ).parse_args(own)
        with ros_argument_errors():
            rclpy.init(args=ros, signal_handler_options=SignalHandlerOptions.NO)
            node = rclpy.create_node(
                'recorder',
                allow_undeclared_parameters=True,
                automatically_declare_parameters_from_overrides=True,
            )
        given = {name: p.value for name, p in node.get_parameters_by_prefix('').items()}
        return _record(node, validated(RecorderSettings, given, ros), stop)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        rclpy.try_shutdown()


def _record(node: Node, settings: RecorderSettings, stop: threading.Event) -> int:
    recorder = Recorder(node, settings)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not stop.is_set() and recorder.pump.failure is None:
        executor.spin_once(timeout_sec=0.1)
    complete = recorder.finish()
    print_summary(
        Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH),
        settings.robot_id, recorder.mission_id, recorder.watch.topics.values(),
    )
    if recorder.pump.failure is not None:
        raise recorder.pump.failure
    return 0 if complete else 1


if __name__ == '__main__':
    sys.exit(main())
