"""The metrics recorder's state: MetricsStatus, diagnostics, and a table at its end."""

from __future__ import annotations

import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.duration import Duration
from rclpy.node import Node
from rich.console import Console
from rich.table import Table

from twinsight_interfaces.msg import MetricSinkStatus, MetricsStatus
from twinsight_recorder.metrics.outbox import SinkRunner, SinkState
from twinsight_recorder.metrics.recording import MetricsRecording

_LATE_S = 10.0
"""Metrics that wait longer than this for a store are worth a warning."""

_FAREWELL = Duration(seconds=0.5)


class MetricsReport:
    """Publishes ``~/status``, and ``/diagnostics`` where the settings say so."""

    def __init__(self, node: Node, recording: MetricsRecording) -> None:
        self._node = node
        self._recording = recording
        self._status = node.create_publisher(MetricsStatus, '~/status', 1)
        self._diagnostics = None
        if recording.settings.diagnostics:
            self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        self._last = (time.monotonic(), 0)

    def publish(self) -> None:
        """Publish them, as things are now."""
        status = self._message()
        self._status.publish(status)
        if self._diagnostics is not None:
            self._diagnostics.publish(self._array(status))

    def farewell(self) -> None:
        """Publish the last status, and wait shortly until those who listen have it."""
        self.publish()
        self._status.wait_for_all_acked(_FAREWELL)

    def _message(self) -> MetricsStatus:
        recording, outbox = self._recording, self._recording.outbox
        counts = recording.columns.counts
        status = MetricsStatus()
        status.header.stamp = self._node.get_clock().now().to_msg()
        status.robot_id = recording.settings.robot_id
        status.mission_id = recording.mission.mission_id
        status.messages = counts.messages
        status.unreadable = counts.unreadable
        status.values = counts.values
        status.samples = counts.samples - outbox.dropped
        status.rate_limited = counts.rate_limited
        status.unchanged = counts.unchanged
        status.not_measured = counts.not_measured
        status.dropped = counts.dropped + outbox.dropped
        status.altered = counts.altered
        status.spool_bytes = outbox.log.spool_bytes
        status.spool_limit_bytes = outbox.log.limit_bytes
        status.spool_message = outbox.log.spool_problem
        status.sinks = [self._sink(runner) for runner in outbox.runners]
        now_s = time.monotonic()
        then_s, before = self._last
        self._last = (now_s, status.samples)
        status.samples_per_s = (status.samples - before) / max(1e-3, now_s - then_s)
        return status

    def _sink(self, runner: SinkRunner) -> MetricSinkStatus:
        outbox = self._recording.outbox
        return MetricSinkStatus(
            name=runner.sink.name,
            state=int(runner.state),
            message=runner.problem,
            written=runner.written,
            dropped=runner.reader.dropped,
            refused=runner.refused,
            waiting=outbox.waiting(runner),
            lag_s=outbox.lag_s(runner),
        )

    def _array(self, status: MetricsStatus) -> DiagnosticArray:
        array = DiagnosticArray()
        array.header.stamp = status.header.stamp
        name = self._node.get_fully_qualified_name().removeprefix('/')
        level, text = DiagnosticStatus.OK, f'{status.samples_per_s:.0f} samples/s'
        if status.spool_message:
            level, text = DiagnosticStatus.WARN, status.spool_message
        array.status.append(
            DiagnosticStatus(
                level=level, name=f'{name}: metrics', message=text, hardware_id=status.robot_id,
                values=[
                    _pair(key, getattr(status, key)) for key in (
                        'mission_id', 'messages', 'unreadable', 'samples', 'dropped', 'altered',
                        'spool_bytes',
                    )
                ] + [
                    _pair(f'alerts_{key}', count)
                    for key, count in self._recording.alerts.left_out.items()
                ],
            )
        )
        array.status += [_of_sink(f'{name}: {sink.name}', status, sink) for sink in status.sinks]
        return array


def _of_sink(name: str, status: MetricsStatus, sink: MetricSinkStatus) -> DiagnosticStatus:
    level, text = DiagnosticStatus.OK, 'written'
    if sink.state != SinkState.OK and sink.message:
        level, text = DiagnosticStatus.ERROR, sink.message
    elif sink.lag_s > _LATE_S:
        level, text = DiagnosticStatus.WARN, f'{sink.lag_s:.0f} s behind'
    return DiagnosticStatus(
        level=level, name=name, message=text, hardware_id=status.robot_id,
        values=[
            _pair(key, getattr(sink, key)) for key in ('written', 'dropped', 'refused', 'waiting')
        ] + [_pair('lag_s', f'{sink.lag_s:.1f}')],
    )


def print_metrics_summary(console: Console, recording: MetricsRecording, unsaved: int) -> None:
    """
    Print what became of the samples, sink by sink.

    samples = written + dropped + refused + in spool; unsaved ones that a sink lacks are dropped
    """
    counts, outbox = recording.columns.counts, recording.outbox
    never_in = counts.dropped + outbox.dropped
    table = Table(
        title=f'metrics: robot {recording.settings.robot_id}, '
        f'mission {recording.mission.mission_id}'
    )
    table.add_column('store')
    for title in ('samples', 'written', 'dropped', 'refused', 'in spool'):
        table.add_column(title, justify='right')
    for runner in outbox.runners:
        waiting = outbox.waiting(runner)
        lost = min(waiting, unsaved)
        table.add_row(
            runner.sink.name,
            *map(str, (
                counts.samples + counts.dropped + outbox.log.earlier, runner.written,
                never_in + runner.reader.dropped + lost, _refused_samples(runner), waiting - lost,
            )),
        )
    console.print(table)
    for runner in outbox.runners:
        if facts := runner.refused - _refused_samples(runner):
            console.print(
                f'{runner.sink.name} refused {facts} facts besides: see above', highlight=False
            )
    if unsaved:
        console.print(f'{unsaved} samples are lost: no disk took them', highlight=False)


def is_complete(recording: MetricsRecording) -> bool:
    """Return whether every store has every sample."""
    outbox = recording.outbox
    return not (recording.columns.counts.dropped or outbox.dropped) and not any(
        outbox.waiting(runner) or runner.refused or runner.reader.dropped
        for runner in outbox.runners
    )


def _refused_samples(runner: SinkRunner) -> int:
    return runner.reader.samples - runner.written  # runner.refused counts facts too


def _pair(key: str, value: object) -> KeyValue:
    return KeyValue(key=key, value=str(value))
