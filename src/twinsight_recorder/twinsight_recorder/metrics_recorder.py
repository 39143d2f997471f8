"""
The metrics recorder node: state topics into Redis and TimescaleDB, or into Kafka.

Parameters: see config/metrics.yaml and metrics/settings.py. Once a second it publishes
twinsight_interfaces/msg/MetricsStatus on ~/status, and /diagnostics; alerts on ~/alerts. It
serves start_mission and end_mission for all recorders of the robot.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console

from twinsight_recorder.fixed_parameters import refuse_changes
from twinsight_recorder.kafka.sink import KafkaSink
from twinsight_recorder.metrics.recording import MetricsRecording
from twinsight_recorder.metrics.settings import MetricsSettings
from twinsight_recorder.metrics.status import is_complete, MetricsReport, print_metrics_summary
from twinsight_recorder.metrics.stores import history_store, live_store, Store
from twinsight_recorder.mission.services import MissionServices
from twinsight_store.exit_code import exit_code_of
from twinsight_store.parameters import validated
from twinsight_store.ros_arguments import ros_argument_errors, split_arguments

_EXAMPLE = """examples:
  ros2 run twinsight_recorder metrics_recorder --ros-args -p robot_id:=robot_05
  ros2 run twinsight_recorder metrics_recorder --ros-args --params-file metrics.yaml \\
      --params-file alerts.yaml -p robot_id:=robot_05 -p sink:=kafka
"""
_WIDTH = 120
_TURN_S = 0.01
_SPIN_PERIOD_S = 0.05
_STATUS_PERIOD_S = 1.0


class MetricsRecorderNode(Node):
    """Wires a recording of metrics to ROS: parameters, services, status."""

    def __init__(self, arguments: list[str]) -> None:
        """Begin to record; raises ConfigurationError, SpoolError."""
        super().__init__(
            'metrics_recorder',
            allow_undeclared_parameters=True,
            automatically_declare_parameters_from_overrides=True,
        )
        given = {name: p.value for name, p in self.get_parameters_by_prefix('').items()}
        settings = validated(MetricsSettings, given, arguments)
        refuse_changes(self)
        self.recording = recording = MetricsRecording(self, settings, _stores(settings))
        self._report = MetricsReport(self, recording)
        self._mission_services = MissionServices(
            self, lambda: recording.mission, recording.begin_mission
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # /clock may stand still or go back
        self.create_timer(settings.discovery_period, recording.topics.update, clock=steady)
        self.create_timer(_STATUS_PERIOD_S, self._report.publish, clock=steady)

    def turn(self) -> None:
        """Take what has arrived; raise where a thread ended by a defect."""
        if self.recording.failure is not None:
            raise self.recording.failure
        self.recording.turn()

    def finish(self) -> bool:
        """End the recording and print its summary; return whether the stores have everything."""
        self._mission_services.close()
        unsaved = self.recording.finish()
        self._report.farewell()
        self.recording.close()
        print_metrics_summary(
            Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH),
            self.recording, unsaved,
        )
        if self.recording.failure is not None:
            raise self.recording.failure
        return is_complete(self.recording)


def main(arguments: list[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM; return the exit code."""
    arguments = sys.argv if arguments is None else arguments
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        return exit_code_of('metrics_recorder', lambda: _run(arguments, stop))
    finally:
        rclpy.try_shutdown()


def _run(arguments: list[str], stop: threading.Event) -> int:
    own, ros = split_arguments(arguments)
    argparse.ArgumentParser(
        prog='metrics_recorder', epilog=_EXAMPLE,
        description='Record metrics of a robot into Redis and TimescaleDB, or into Kafka.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(own)
    with ros_argument_errors():
        rclpy.init(args=ros, signal_handler_options=SignalHandlerOptions.NO)
    return _record(MetricsRecorderNode(ros), stop)


def _record(node: MetricsRecorderNode, stop: threading.Event) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    spin_at = 0.0
    complete = False
    try:
        while not stop.is_set():
            time.sleep(_TURN_S)  # not stop.wait(): see recorder.py
            node.turn()
            if time.monotonic() >= spin_at:
                spin_at = time.monotonic() + _SPIN_PERIOD_S
                executor.spin_once(timeout_sec=0.0)
    finally:
        complete = node.finish()
    return 0 if complete else 1


def _stores(settings: MetricsSettings) -> list[Store]:
    if settings.sink == 'kafka':
        return [Store(KafkaSink(settings.kafka.with_environment()))]
    stores = []
    if settings.sink in ('stores', 'redis'):
        stores.append(live_store(settings.live))
    if settings.sink in ('stores', 'timescaledb'):
        stores.append(history_store(settings.history))
    return stores


if __name__ == '__main__':
    sys.exit(main())
