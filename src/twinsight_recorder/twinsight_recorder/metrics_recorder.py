"""
The metrics recorder node: state topics into Redis and TimescaleDB, or into Kafka.

Parameters: see config/metrics.yaml and metrics/settings.py. Once a second it publishes
twinsight_interfaces/msg/MetricsStatus on ~/status, and /diagnostics; alerts on ~/alerts. It
serves start_mission and end_mission for all recorders of the robot.
"""

from __future__ import annotations

import sys

from rclpy.clock import Clock, ClockType

from twinsight_recorder.fixed_parameters import refuse_changes
from twinsight_recorder.kafka.sink import KafkaSink
from twinsight_recorder.metrics.recording import MetricsRecording
from twinsight_recorder.metrics.settings import MetricsSettings
from twinsight_recorder.metrics.status import is_complete, MetricsReport, print_metrics_summary
from twinsight_recorder.metrics.stores import history_store, live_store, Store
from twinsight_recorder.mission.services import MissionServices
from twinsight_recorder.node_program import NodeProgram, RunningNode, summary_console
from twinsight_store.parameters import validated

_EXAMPLE = """examples:
  ros2 run twinsight_recorder metrics_recorder --ros-args -p robot_id:=robot_05
  ros2 run twinsight_recorder metrics_recorder --ros-args --params-file metrics.yaml \\
      --params-file alerts.yaml -p robot_id:=robot_05 -p sink:=kafka
"""
_TURN_S = 0.01
_STATUS_PERIOD_S = 1.0


class MetricsRecorderNode(RunningNode):
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
        print_metrics_summary(summary_console(), self.recording, unsaved)
        if self.recording.failure is not None:
            raise self.recording.failure
        return is_complete(self.recording)


def _stores(settings: MetricsSettings) -> list[Store]:
    if settings.sink == 'kafka':
        return [Store(KafkaSink(settings.kafka.with_environment()))]
    stores = []
    if settings.sink in ('stores', 'redis'):
        stores.append(live_store(settings.live))
    if settings.sink in ('stores', 'timescaledb'):
        stores.append(history_store(settings.history))
    return stores


def main(arguments: list[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM; return the exit code."""
    return NodeProgram(
        'metrics_recorder',
        'Record metrics of a robot into Redis and TimescaleDB, or into Kafka.',
        _EXAMPLE, MetricsRecorderNode, _TURN_S,
    ).run(arguments)


if __name__ == '__main__':
    sys.exit(main())
