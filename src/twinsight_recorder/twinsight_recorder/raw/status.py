"""What the recorder tells of itself once a second: RecorderStatus and diagnostics."""

from __future__ import annotations

from dataclasses import replace
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.duration import Duration
from rclpy.node import Node

from twinsight_interfaces.msg import RecorderStatus, TopicStatus
from twinsight_recorder.raw.delivery import StoreState
from twinsight_recorder.raw.recorded_topic import RecordedTopic
from twinsight_recorder.raw.recording import Mode, Recording
from twinsight_recorder.raw.topic_pace import TopicPace

_LATE_S = 10.0
"""Messages that wait longer than this for the store are worth a warning."""

_FAREWELL = Duration(seconds=2.0)
"""A listener that hangs holds up the end of a recorder for no longer."""

_COUNTS = (
    'received', 'stored', 'lost', 'dropped', 'refused', 'rate_limited', 'left_out', 'waiting',
)


class StatusReport:
    """Publishes ``~/status``, and ``/diagnostics`` where the settings say so."""

    def __init__(self, node: Node, recording: Recording, own_topic: str) -> None:
        self._node = node
        self._recording = recording
        self._status = node.create_publisher(RecorderStatus, own_topic, 1)
        self._diagnostics = None
        if recording.settings.diagnostics:
            self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        self._paces: dict[str, TopicPace] = {}
        self._all = TopicPace()

    def publish(self) -> None:
        """Publish them, as things are now."""
        status = self._message()
        self._status.publish(status)
        if self._diagnostics is not None:
            self._diagnostics.publish(self._array(status))

    def close(self) -> None:
        """End the publishers, once those who listen have the last status."""
        self._status.wait_for_all_acked(_FAREWELL)
        self._node.destroy_publisher(self._status)
        if self._diagnostics is not None:
            self._node.destroy_publisher(self._diagnostics)

    def _message(self) -> RecorderStatus:
        recording, journal = self._recording, self._recording.pump.journal
        message = RecorderStatus()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.started.sec, message.started.nanosec = divmod(recording.counts_from_ns, 10**9)
        message.robot_id = recording.labelling.robot_id
        message.mission_id = recording.labelling.mission_id
        message.mode = int(recording.mode)
        message.part = recording.labelling.part
        message.store = int(recording.report.state)
        message.store_message = recording.report.message
        message.queued_bytes = recording.intake.waiting_bytes
        message.queue_limit_bytes = recording.intake.limit_bytes
        message.spool_bytes = journal.size_bytes
        message.spool_limit_bytes = journal.limit_bytes
        message.spool_message = journal.problem
        oldest_ns = recording.pump.oldest_ns
        message.lag_s = 0.0 if oldest_ns is None else max(0.0, time.time() - oldest_ns / 1e9)
        message.topics = [self._topic(topic) for topic in recording.topics]
        pace = self._all.see(
            sum(topic.received for topic in message.topics),
            sum(topic.bytes for topic in message.topics),
            sum(topic.stored for topic in message.topics),
            sum(topic.lost for topic in message.topics),
        )
        message.messages_per_s = pace.messages_per_s
        message.bytes_per_s = pace.bytes_per_s
        message.stored_messages_per_s = pace.stored_per_s
        return message

    def _topic(self, topic: RecordedTopic) -> TopicStatus:
        tally = replace(topic.tally)  # each number read once, or their sum would not be right
        pace = self._paces.setdefault(topic.name, TopicPace()).see(
            tally.received, tally.bytes, tally.stored, topic.lost
        )
        return TopicStatus(
            topic=topic.name,
            type=topic.channel.type_name,
            sensor_type=topic.rule.sensor_type,
            received=tally.received,
            stored=tally.stored,
            lost=topic.lost,
            dropped=tally.dropped + tally.dropped_late + tally.unsaved,
            refused=tally.refused,
            rate_limited=tally.rate_limited,
            left_out=tally.left_out,
            waiting=tally.waiting,
            bytes=tally.bytes,
            mission_messages=tally.mission_messages,
            mission_bytes=tally.mission_bytes,
            messages_per_s=pace.messages_per_s,
            bytes_per_s=pace.bytes_per_s,
        )

    def _array(self, status: RecorderStatus) -> DiagnosticArray:
        array = DiagnosticArray()
        array.header.stamp = status.header.stamp
        name = self._node.get_fully_qualified_name().removeprefix('/')
        array.status.append(self._of_recorder(name, status))
        for topic in status.topics:
            lost_now = self._paces[topic.topic].lost_lately
            array.status.append(
                DiagnosticStatus(
                    level=DiagnosticStatus.WARN if lost_now else DiagnosticStatus.OK,
                    name=f'{name}: {topic.topic}',
                    message=f'{lost_now} messages lost lately' if lost_now else 'recorded',
                    hardware_id=status.robot_id,
                    values=[_pair(key, getattr(topic, key)) for key in _COUNTS]
                    + [_pair('messages_per_s', f'{topic.messages_per_s:.1f}')],
                )
            )
        for state in self._recording.pump.replicating.states:
            level = DiagnosticStatus.WARN if state.problem else DiagnosticStatus.OK
            array.status.append(
                DiagnosticStatus(
                    level=level, name=f'{name}: replication {state.name}',
                    message=state.problem or 'sent on', hardware_id=status.robot_id,
                    values=[
                        _pair('pending', state.pending), _pair('given_up', state.given_up),
                    ],
                )
            )
        return array

    def _of_recorder(self, name: str, status: RecorderStatus) -> DiagnosticStatus:
        level, text = DiagnosticStatus.OK, Mode(status.mode).name.lower()
        if status.store != StoreState.OK and status.store_message:
            level, text = DiagnosticStatus.ERROR, status.store_message
        elif status.spool_message:
            level, text = DiagnosticStatus.WARN, status.spool_message
        elif status.lag_s > _LATE_S:
            level, text = DiagnosticStatus.WARN, f'{status.lag_s:.0f} s behind'
        return DiagnosticStatus(
            level=level, name=f'{name}: recording', message=text, hardware_id=status.robot_id,
            values=[
                _pair('mission_id', status.mission_id),
                _pair('lag_s', f'{status.lag_s:.1f}'),
                _pair('messages_per_s', f'{status.messages_per_s:.1f}'),
                _pair('bytes_per_s', f'{status.bytes_per_s:.0f}'),
                _pair('queued_bytes', status.queued_bytes),
                _pair('spool_bytes', status.spool_bytes),
            ],
        )


def _pair(key: str, value: object) -> KeyValue:
    return KeyValue(key=key, value=str(value))
