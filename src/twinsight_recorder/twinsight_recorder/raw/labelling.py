"""What messages are stored with at the moment: mission, part and labels."""

from __future__ import annotations

from itertools import count

from twinsight_recorder.raw.recorded_topic import RecordedTopic, Source
from twinsight_store import labels as label

PART = 'part'
"""Label with the number of splits since the mission began; absent before the first."""

_numbers = count(1)


class Labelling:
    """
    Makes the sources of topics; each change holds for messages from then on.

    default_bucket  for topics whose stream names none
    """

    def __init__(self, robot_id: str, mission_id: str, default_bucket: str) -> None:
        self.robot_id = robot_id
        self.mission_id = mission_id
        self.part = 0
        self._default_bucket = default_bucket
        self._dynamic: dict[str, str] = {}

    def begin_mission(self, mission_id: str) -> None:
        """Label what comes with another mission."""
        self.mission_id = mission_id
        self.part = 0

    def split(self) -> None:
        """Begin the next part of the mission."""
        self.part += 1

    def set_dynamic(self, name: str, value: str | None) -> None:
        """Give a dynamic label another value; None takes it away."""
        if value:
            self._dynamic[name] = value
        else:
            self._dynamic.pop(name, None)

    def label(self, topic: RecordedTopic) -> None:
        """Give a topic's next messages what holds now."""
        rule = topic.rule
        extra = {**rule.labels, **self._dynamic}
        if self.part:
            extra[PART] = str(self.part)
        topic.source = Source(
            topic,
            self.robot_id,
            topic.channel,
            label.record_labels(self.robot_id, self.mission_id, rule.sensor_type, extra),
            rule.bucket or self._default_bucket,
            rule.compression,
            rule.drop_first,
            next(_numbers),
        )
