"""One recorded topic: what it is, and what became of its messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from twinsight_recorder.loss_count import LossCount
from twinsight_recorder.rate_limit import RateLimit
from twinsight_recorder.topic_rules import TopicRule
from twinsight_store.channel import Channel


@dataclass
class Tally:
    """
    Numbers of messages since the start; bytes are serialized ones.

    received, bytes, rate_limited, dropped are counted where messages arrive; stored, refused
    and unsaved where they are written. So each number has one thread that changes it.
    """

    received: int = 0
    bytes: int = 0
    rate_limited: int = 0
    dropped: int = 0
    stored: int = 0
    refused: int = 0
    unsaved: int = 0


@dataclass
class RecordedTopic:
    """A topic that is recorded. Its channel may change when its publishers do."""

    channel: Channel
    rule: TopicRule
    tally: Tally = field(default_factory=Tally)
    loss: LossCount = field(default_factory=LossCount)
    limit: RateLimit = field(init=False)

    def __post_init__(self) -> None:
        self.limit = RateLimit(self.rule.min_period_ns)

    @property
    def name(self) -> str:
        """Return the topic's name."""
        return self.channel.topic
