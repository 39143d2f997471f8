"""Which topics are recorded, and what holds for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import re

from twinsight_recorder.raw.settings import RecorderSettings
from twinsight_store.errors import ConfigurationError
from twinsight_store.sensor_types import sensor_type_of


@dataclass(frozen=True)
class TopicRule:
    """
    What holds for one topic.

    min_period_ns  shortest time between two messages that are taken; 0 takes all
    stride         the first of so many messages is taken
    compression    of messages that are records of their own: '' or 'zstd'
    bucket         '' for the recorder's own
    drop_first     whether its messages go first when the spool fills up
    """

    sensor_type: str
    labels: Mapping[str, str] = field(default_factory=dict)
    min_period_ns: int = 0
    stride: int = 1
    compression: str = ''
    bucket: str = ''
    drop_first: bool = False


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
        self._asked: list[tuple[re.Pattern[str], bool]] = []

    def add(self, pattern: str) -> None:
        """
        Record topics that match, whatever was configured or asked before.

        Raises ConfigurationError where it is no regular expression.
        """
        self._ask(pattern, True)

    def drop(self, pattern: str) -> None:
        """Record topics that match no longer; raises ConfigurationError as add() does."""
        self._ask(pattern, False)

    def _ask(self, pattern: str, wanted: bool) -> None:
        try:
            expression = re.compile(pattern)
        except re.error as error:
            raise ConfigurationError(f'{pattern!r}: not a regular expression ({error})') from error
        self._asked = [each for each in self._asked if each[0] != expression]
        self._asked.append((expression, wanted))

    def is_wanted(self, topic: str) -> bool:
        """Return whether a topic is recorded."""
        if topic in self._own_topics:
            return False
        for expression, wanted in reversed(self._asked):
            if expression.fullmatch(topic):
                return wanted
        if any(rule.fullmatch(topic) for rule in self._exclude):
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
                    stream.stride,
                    '' if stream.compression == 'none' else stream.compression,
                    stream.bucket,
                    stream.drop_first,
                )
        return TopicRule(sensor_type_of(type_name), self._labels)
