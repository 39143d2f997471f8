"""Which topics are recorded, and what holds for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import re

from twinsight_recorder.settings import RecorderSettings
from twinsight_store.sensor_types import sensor_type_of


@dataclass(frozen=True)
class TopicRule:
    """
    What holds for one topic.

    min_period_ns  shortest time between two messages that are taken; 0 takes all
    """

    sensor_type: str
    labels: Mapping[str, str] = field(default_factory=dict)
    min_period_ns: int = 0


class TopicRules:
    """Decides by name and type; the first stream that names a topic decides for it."""

    def __init__(self, settings: RecorderSettings, own_topics: frozenset[str] = frozenset()):
        self._include = [re.compile(text) for text in settings.topics.include]
        self._exclude = [re.compile(text) for text in settings.topics.exclude]
        self._include_hidden = settings.topics.include_hidden
        self._labels = settings.labels
        self._streams = [
            ([re.compile(text) for text in stream.topics], stream)
            for stream in settings.streams.values()
        ]
        self._own_topics = own_topics

    def is_wanted(self, topic: str) -> bool:
        """Return whether a topic is recorded."""
        if topic in self._own_topics or any(rule.fullmatch(topic) for rule in self._exclude):
            return False
        hidden = '/_' in topic
        if hidden and not self._include_hidden:
            return False
        return any(rule.fullmatch(topic) for rule in self._include)

    def rule_for(self, topic: str, type_name: str) -> TopicRule:
        """Return what holds for a recorded topic."""
        for patterns, stream in self._streams:
            if any(pattern.fullmatch(topic) for pattern in patterns):
                return TopicRule(
                    stream.sensor_type or sensor_type_of(type_name),
                    {**self._labels, **stream.labels},
                    round(1e9 / stream.max_rate) if stream.max_rate else 0,
                )
        return TopicRule(sensor_type_of(type_name), self._labels)
