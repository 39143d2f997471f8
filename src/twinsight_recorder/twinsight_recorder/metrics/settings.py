"""The settings of the metrics recorder, as its ROS parameter file holds them."""

from __future__ import annotations

from typing import Literal

from pydantic import ByteSize, Field, field_validator, model_validator

from twinsight_recorder import setting_types as types
from twinsight_recorder.alerting.settings import AlertSettings
from twinsight_recorder.kafka.topic_settings import KafkaTopicSettings
from twinsight_recorder.metrics.ready_made import ALL, DESCRIPTION, ReadyMade
from twinsight_recorder.metrics.rule_settings import MetricRuleSettings
from twinsight_recorder.spool_settings import SIZE, SpoolSettings
from twinsight_store import labels as label
from twinsight_store.errors import ConfigurationError
from twinsight_store.history.policies import HistoryPolicies
from twinsight_store.parameters import Seconds, Settings, Text

_DURATION = 'seconds, or text with a unit: 500ms, 1s, 2min, 12h, 30d'
_LONGEST_S = 100 * 365 * 86_400.0


class HistorySettings(Settings):
    """How long metrics stay in the database, where that is TimescaleDB or PostgreSQL."""

    retention: Seconds = Field(
        0.0, ge=0, le=_LONGEST_S, description=f'0 for ever, or at least 1min: {_DURATION}'
    )
    compress_after: Seconds = Field(
        7 * 86_400.0, ge=60, le=_LONGEST_S,
        description=f'age at which TimescaleDB compresses, at least 1min: {_DURATION}',
    )
    gather: Seconds = Field(
        0.2, ge=0, le=60, description=f'least time between two writes: {_DURATION}'
    )
    lost_after: Seconds = Field(
        300.0, gt=0, description='silence after which a robot has vanished, and its mission has '
        f'ended: {_DURATION}',
    )

    @field_validator('retention')
    @classmethod
    def _is_long_enough(cls, retention: float) -> float:
        if 0 < retention < 60:
            raise ValueError('too short')
        return retention

    def policies(self) -> HistoryPolicies:
        """Return them as the database takes them."""
        return HistoryPolicies(self.retention or None, self.compress_after)


class LiveSettings(Settings):
    """What Redis keeps besides the latest values."""

    stream_length: int = Field(
        100_000, ge=1, description='newest entries kept of each robot, a whole number'
    )


class MetricSpoolSettings(SpoolSettings):
    """Where metrics wait on disk until the stores have them."""

    size: ByteSize = Field(
        ByteSize(1_000_000_000), description=f'0 for no spool, or at least 1MB: {SIZE}'
    )


class MetricsSettings(Settings):
    """All parameters of the metrics_recorder node."""

    robot_id: Text = Field(description='letters, digits, "_" and "-"')
    mission_id: Text = Field('', description="a text; empty: the robot's, or one of date and time")
    sink: Literal['stores', 'redis', 'timescaledb', 'kafka'] = Field(
        'stores', description='stores (Redis and TimescaleDB), redis, timescaledb or kafka'
    )
    kafka: KafkaTopicSettings = Field(KafkaTopicSettings(), description='topic, partitions')
    ready_made: ReadyMade = Field(ALL, description=DESCRIPTION)
    exclude: tuple[types.Pattern, ...] = Field(
        ('/replay/.*',),
        description='a list of topic names or regular expressions that match whole names',
    )
    rules: dict[str, MetricRuleSettings] = Field(
        {}, description='named rules, each with topics or type, and metrics'
    )
    alerts: AlertSettings = {}
    history: HistorySettings = Field(
        HistorySettings(), description='retention, compress_after, gather, lost_after'
    )
    live: LiveSettings = Field(LiveSettings(), description='stream_length')
    spool: MetricSpoolSettings = Field(
        MetricSpoolSettings(), description='folder, size, when_full'
    )
    memory_limit: ByteSize = Field(
        ByteSize(64_000_000), ge=1_000_000, description=f'at least 1MB may wait in memory: {SIZE}'
    )
    diagnostics: bool = Field(True, description='true, or false for nothing on /diagnostics')
    discovery_period: Seconds = Field(0.5, gt=0, description=_DURATION)
    mission_wait: Seconds = Field(
        2.0, ge=0, le=60,
        description=f'longest wait at the start for the mission that others tell: {_DURATION}',
    )
    stop_timeout: Seconds = Field(
        10.0, ge=0, description=f'longest wait for the stores at the end: {_DURATION}'
    )

    @field_validator('robot_id')
    @classmethod
    def _is_a_name(cls, robot_id: str) -> str:
        try:
            return label.check_robot_id(robot_id)
        except ConfigurationError as error:
            raise ValueError('not usable as a name in the store') from error

    @model_validator(mode='after')
    def _takes_something(self) -> MetricsSettings:
        if not self.ready_made and not self.rules:
            raise ValueError('neither rules nor ready_made: there is nothing to take')
        return self
