"""The settings of the metrics writer, as its ROS parameter file holds them."""

from __future__ import annotations

from typing import Literal

from pydantic import ByteSize, Field, field_validator

from twinsight_recorder.kafka.topic_settings import KafkaTopicSettings
from twinsight_recorder.metrics.settings import HistorySettings, LiveSettings
from twinsight_store.parameters import Seconds, Settings, Text

_SIZE = 'a size in bytes, or text with a unit: 64kB, 1MB, 20GB, 1MiB'
_DURATION = 'seconds, or text with a unit: 500ms, 1s, 2min, 1h'

SinkName = Literal['timescaledb', 'redis']


class BatchSettings(Settings):
    """What is written at once: whatever waits in Kafka, and not more than this."""

    messages: int = Field(500, ge=1, description='messages, a whole number from 1')
    size: ByteSize = Field(ByteSize(8_000_000), gt=0, description=_SIZE)


class MetricsWriterSettings(Settings):
    """All parameters of the metrics_writer node."""

    group: Text = Field(
        'twinsight', pattern=r'^[A-Za-z0-9._-]{1,200}$',
        description='1 to 200 letters, digits, ".", "_" and "-"',
    )
    sinks: tuple[SinkName, ...] = Field(
        ('timescaledb', 'redis'), min_length=1, description='a list of timescaledb and redis'
    )
    kafka: KafkaTopicSettings = Field(KafkaTopicSettings(), description='topic, partitions')
    batch: BatchSettings = Field(BatchSettings(), description='messages, size')
    session_timeout: Seconds = Field(
        10.0, ge=6, le=300, description=f'from 6 s: {_DURATION}'
    )
    history: HistorySettings = Field(
        HistorySettings(), description='retention, compress_after, gather, lost_after'
    )
    live: LiveSettings = Field(LiveSettings(), description='stream_length')
    stop_timeout: Seconds = Field(5.0, ge=0, description=_DURATION)
    diagnostics: bool = Field(True, description='true, or false for nothing on /diagnostics')

    @field_validator('sinks')
    @classmethod
    def _each_once(cls, sinks: tuple[SinkName, ...]) -> tuple[SinkName, ...]:
        if len(set(sinks)) < len(sinks):
            raise ValueError('one of them is named twice')
        return sinks
