"""The recorder's settings, as its ROS parameter file holds them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ByteSize, Field, field_validator, model_validator, ValidationInfo

from twinsight_recorder import setting_types as types
from twinsight_recorder.raw.field_rule import FieldRule
from twinsight_recorder.spool_settings import SIZE, SpoolSettings
from twinsight_store import labels as label
from twinsight_store.connection import StoreSettings
from twinsight_store.errors import ConfigurationError
from twinsight_store.field_path import FieldPath
from twinsight_store.layout import DEFAULT_BUCKET, DEFAULT_SINGLE_RECORD_BYTES
from twinsight_store.parameters import Seconds, Settings, Text
from twinsight_store.record_builder import ChunkRules
from twinsight_store.replication_rule import check_rules, ReplicationRule

_DURATION = 'seconds, or text with a unit: 500ms, 1s, 2min'
_PATTERNS = 'a list of topic names or regular expressions that match whole names'
_TOPIC = 'the name of a topic, for example /diagnostics'
_FIELD = 'a path to a number or text: state, pose.pose.position.z, status[name=battery].level'
_RULE = 'a field and a condition: state == ERROR, battery.percentage < 0.2, mode changes'
_DYNAMIC_LABELS = 'names of letters, digits and "_", each with topic and field'
_LABELS = 'names of letters, digits and "_" (not the ones TwinSight sets), each with a text'


class TopicSettings(Settings):
    """Which topics are recorded: included and not excluded."""

    include: tuple[types.Pattern, ...] = Field(('.*',), description=_PATTERNS)
    exclude: tuple[types.Pattern, ...] = Field((), description=_PATTERNS)
    include_hidden: bool = Field(False, description='true or false')


class StreamSettings(Settings):
    """What the records of some topics are labelled with, and how often they are taken."""

    topics: tuple[types.Pattern, ...] = Field(description=_PATTERNS)
    sensor_type: Text = Field('', description='a text, for example camera')
    labels: types.Labels = Field({}, description=_LABELS)
    max_rate: float | None = Field(
        None, gt=0, description='messages a second of each topic, a number above 0'
    )
    stride: int = Field(1, ge=1, description='take the first of so many messages, from 1')
    compression: Literal['none', 'zstd'] = Field(
        'none', description='none, or zstd for messages that are records of their own'
    )
    bucket: Text = Field('', description='store.bucket, or one that is named in buckets')
    drop_first: bool = Field(
        False, description='true: once the spool is three quarters full, drop these first'
    )


class QuotaSettings(Settings):
    """A further bucket; quota and quota_type count when it is made."""

    quota: ByteSize = Field(ByteSize(0), description=f'0 for no limit, or {SIZE}')
    quota_type: Literal['FIFO', 'HARD'] = Field('FIFO', description='FIFO or HARD')


class BucketSettings(QuotaSettings):
    """The bucket in ReductStore; quota and quota_type count when it is made."""

    bucket: Text = Field(DEFAULT_BUCKET, min_length=1, description='the name of a bucket')
    timeout: Seconds = Field(30.0, gt=0, description=_DURATION)


class ReplicationSettings(Settings):
    """
    What of the robot's data ReductStore sends on to another one.

    The token of the other one comes from the environment: TWINSIGHT_REPLICATION_<NAME>_TOKEN.
    """

    url: types.Url = Field(
        '', description='http(s)://HOST:PORT; empty takes TWINSIGHT_REPLICATION_<NAME>_URL'
    )
    bucket: Text = Field(DEFAULT_BUCKET, min_length=1, description='the name of a bucket there')
    topics: tuple[types.TopicGlob, ...] = Field(
        ('*',), description='a list of topic names in which * stands for any text, slashes too'
    )
    labels: types.Conditions = Field(
        {}, description='names of labels, each with the text that it must have, or a list of them'
    )
    mode: Literal['enabled', 'paused'] = Field(
        'enabled', description='enabled, or paused (what is chosen waits)'
    )


class ChunkSettings(Settings):
    """How small messages are gathered."""

    max_age: Seconds = Field(1.0, gt=0, le=60, description=f'up to 60 s: {_DURATION}')
    max_size: ByteSize = Field(ByteSize(1_000_000), gt=0, description=SIZE)
    single_record_size: ByteSize = Field(
        ByteSize(DEFAULT_SINGLE_RECORD_BYTES), gt=0, description=SIZE
    )


class DynamicLabelSettings(Settings):
    """A label whose value is a topic's field."""

    topic: types.Topic = Field(description=_TOPIC)
    field: types.Field = Field(description=_FIELD)

    def path(self) -> FieldPath:
        """Return the field."""
        return FieldPath.parse(self.field)


class SnapshotRuleSettings(Settings):
    """When a snapshot is taken by itself, and how much of it is kept."""

    topic: types.Topic = Field(description=_TOPIC)
    when: types.Rule = Field(description=_RULE)
    before: Seconds = Field(30.0, ge=0, description=_DURATION)
    after: Seconds = Field(30.0, ge=0, description=_DURATION)

    def rule(self) -> FieldRule:
        """Return the rule; its value is resolved when the type of the topic is known."""
        return FieldRule.parse(self.topic, self.when)


class SnapshotSettings(Settings):
    """What stays in memory where the mode is snapshot, and when it is stored."""

    rules: dict[str, SnapshotRuleSettings] = Field(
        {}, description='named rules, each with topic, when, before and after'
    )
    duration: Seconds = Field(30.0, gt=0, validate_default=True, description=_DURATION)
    memory: ByteSize = Field(ByteSize(256_000_000), gt=0, description=SIZE)

    @field_validator('duration')
    @classmethod
    def _reaches_back(cls, duration: float, info: ValidationInfo) -> float:
        for name, rule in info.data.get('rules', {}).items():
            if rule.before > duration:
                raise ValueError(
                    f'less than the {rule.before:g} s that rule {name} keeps before it fires'
                )
        return duration


class RecorderSettings(Settings):
    """All parameters of the recorder node."""

    robot_id: Text = Field(description='letters, digits, "_" and "-"')
    mission_id: Text = Field('', description='a text; empty makes one of date and time')
    labels: types.Labels = Field({}, description=_LABELS)
    topics: TopicSettings = Field(TopicSettings(), description='include, exclude')
    streams: dict[str, StreamSettings] = Field(
        {}, description='named groups of topics, each with topics and what holds for them'
    )
    store: BucketSettings = Field(BucketSettings(), description='bucket, quota, quota_type')
    buckets: dict[str, QuotaSettings] = Field(
        {}, description='further buckets by name, each with quota and quota_type'
    )
    replication: Annotated[dict[str, ReplicationSettings], types.RuleNames] = Field(
        {}, description='names of lower-case letters, digits and "-", each with url, bucket, '
        'topics, labels, mode'
    )
    chunk: ChunkSettings = Field(ChunkSettings(), description='max_age, max_size')
    spool: SpoolSettings = Field(SpoolSettings(), description='folder, size, when_full')
    autostart: bool = Field(
        True, description='true, or false where a lifecycle manager starts the recorder'
    )
    diagnostics: bool = Field(True, description='true, or false for nothing on /diagnostics')
    memory_limit: ByteSize = Field(
        ByteSize(256_000_000), gt=0, description=f'what may wait to be stored: {SIZE}'
    )
    mode: Literal['continuous', 'snapshot'] = Field(
        'continuous', description='continuous or snapshot'
    )
    snapshot: SnapshotSettings = Field(SnapshotSettings(), description='duration, memory, rules')
    dynamic_labels: Annotated[dict[str, DynamicLabelSettings], types.LabelNames] = Field(
        {}, description=_DYNAMIC_LABELS
    )
    discovery_period: Seconds = Field(0.2, gt=0, description=_DURATION)
    stop_timeout: Seconds = Field(
        10.0, ge=0, description=f'longest wait for the store at the end: {_DURATION}'
    )

    @field_validator('robot_id')
    @classmethod
    def _names_an_entry(cls, robot_id: str) -> str:
        try:
            return label.check_robot_id(robot_id)
        except ConfigurationError as error:
            raise ValueError('not usable as a name in the store') from error

    @model_validator(mode='after')
    def _buckets_are_named(self) -> RecorderSettings:
        known = (self.store.bucket, *self.buckets)
        for name, stream in self.streams.items():
            if stream.bucket and stream.bucket not in known:
                raise ValueError(
                    f'streams.{name}.bucket {stream.bucket!r} is neither store.bucket nor named '
                    f'in buckets (there are {", ".join(known)})'
                )
        return self

    def chunk_rules(self) -> ChunkRules:
        """Return when chunks are closed."""
        return ChunkRules(
            max_age_ns=round(self.chunk.max_age * 1e9),
            max_bytes=int(self.chunk.max_size),
            single_record_bytes=int(self.chunk.single_record_size),
        )

    def replication_rules(self) -> list[ReplicationRule]:
        """Return what goes to other stores; raises ConfigurationError where that cannot be."""
        rules = [
            ReplicationRule.from_environment(
                name, rule.url, bucket=rule.bucket, topics=rule.topics, labels=rule.labels,
                paused=rule.mode == 'paused',
            )
            for name, rule in self.replication.items()
        ]
        check_rules(rules)
        return rules

    def store_settings(self, bucket: str = '') -> StoreSettings:
        """
        Return the settings of a bucket, by default of store.bucket.

        Raises ConfigurationError without a URL.
        """
        quota = self.buckets.get(bucket, self.store)
        return StoreSettings.from_environment(
            bucket=bucket or self.store.bucket,
            quota_bytes=int(quota.quota),
            quota_type=quota.quota_type,
            timeout_s=self.store.timeout,
        )
