"""One recorded topic: what it is, and what became of its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twinsight_recorder.rate_limit import RateLimit, Stride
from twinsight_recorder.raw.topic_rules import TopicRule
from twinsight_store.channel import Channel
from twinsight_store.loss_count import LossCount


@dataclass
class Tally:
    """
    Numbers of messages since the start; bytes are serialized ones.

    received, bytes, rate_limited, left_out, dropped are counted where messages arrive; stored,
    refused, unsaved and dropped_late (from the spool) where they are written. So each number
    has one thread that changes it. mission_messages and mission_bytes count what was accepted
    for the mission of now; what a snapshot stores of a mission before is in neither count.
    """

    received: int = 0
    bytes: int = 0
    rate_limited: int = 0
    left_out: int = 0
    dropped: int = 0
    dropped_late: int = 0
    stored: int = 0
    refused: int = 0
    unsaved: int = 0
    mission_messages: int = 0
    mission_bytes: int = 0

    @property
    def waiting(self) -> int:
        """Return how many messages are accepted and neither stored nor given up."""
        gone = self.rate_limited + self.left_out + self.dropped + self.dropped_late
        return max(0, self.received - gone - self.stored - self.refused - self.unsaved)


@dataclass(eq=False)
class RecordedTopic:
    """
    A topic that is recorded.

    source      what its next message is stored with; a new one where that changes
    is_latched  whether its publishers keep messages for those who come late
    told_lost   messages that the middleware itself says are lost
    first       number of the first source of the mission of now
    """

    channel: Channel
    rule: TopicRule
    source: Source = field(init=False)
    tally: Tally = field(default_factory=Tally)
    loss: LossCount = field(default_factory=LossCount)
    limit: RateLimit = field(init=False)
    stride: Stride = field(init=False)
    is_latched: bool = False
    told_lost: int = 0
    first: int = 0

    def __post_init__(self) -> None:
        self.limit = RateLimit(self.rule.min_period_ns)
        self.stride = Stride(self.rule.stride)

    @property
    def name(self) -> str:
        """Return the topic's name."""
        return self.channel.topic

    def begin_mission(self) -> None:
        """Count for another mission, which is the one of the source that holds now."""
        self.tally.mission_messages = self.tally.mission_bytes = 0
        self.first = self.source.number

    @property
    def lost(self) -> int:
        """
        Return how many messages the publishers sent that no subscription delivered.

        From their sequence numbers; where not one message arrives, only the middleware knows.
        """
        return max(self.loss.lost, self.told_lost)


@dataclass(frozen=True, eq=False)
class Source:
    """
    What a message is stored with, besides its times and bytes: one object for many messages.

    labels       encoded, without the layout's own
    compression  of messages that are records of their own: '' or 'zstd'
    number       the same for no two sources of a process; a later one's is higher
    """

    topic: RecordedTopic
    robot_id: str
    channel: Channel
    labels: Mapping[str, str]
    bucket: str
    compression: str
    drop_first: bool
    number: int
