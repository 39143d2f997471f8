"""What the recorders of a robot have taken for each mission, from their status."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.serialization import deserialize_message

from twinsight_interfaces.msg import RecorderStatus
from twinsight_store.metrics.columns import Counts
from twinsight_store.metrics.fact import MissionRecording

STATUS_TYPE = 'twinsight_interfaces/msg/RecorderStatus'


class RecorderBytes:
    """
    Makes facts of the status messages of one robot's recorders.

    tell     is called with each fact that is new
    counts   where a damaged message counts
    problem  problem(line) tells the user, once a topic
    """

    def __init__(
        self, robot_id: str, tell: Callable[[MissionRecording], object], counts: Counts,
        problem: Callable[[str], object],
    ) -> None:
        self._robot_id = robot_id
        self._tell = tell
        self._counts = counts
        self._problem = problem
        self._damaged: set[str] = set()
        self._told: dict[tuple[str, str], MissionRecording] = {}

    def take_from(self, topic: str) -> Callable[[bytes, int], None]:
        """Return what takes the messages of a recorder's status topic."""

        def take(data: bytes, receive_ns: int) -> None:
            try:
                status = deserialize_message(data, RecorderStatus)
            except RuntimeError as error:  # rclpy's RMWError
                self._note_damaged(topic, error)
            else:
                self._see(topic, status)

        return take

    def _note_damaged(self, topic: str, error: Exception) -> None:
        self._counts.messages += 1
        self._counts.unreadable += 1
        if topic not in self._damaged:
            self._damaged.add(topic)
            self._problem(f'topic {topic}: a message cannot be read ({error})')

    def _see(self, topic: str, status: RecorderStatus) -> None:
        if status.robot_id != self._robot_id:
            return
        started = status.started
        recorder = f'{topic.rpartition("/")[0]}@{started.sec}.{started.nanosec:09}'
        fact = MissionRecording(
            status.robot_id, status.mission_id, recorder,
            {
                each.topic: (each.mission_messages, each.mission_bytes)
                for each in status.topics if each.mission_messages
            },
        )
        key = (topic, recorder)
        if fact.topics and self._told.get(key) != fact:
            self._told[key] = fact  # of a mission that ended nothing new comes
            self._tell(fact)
