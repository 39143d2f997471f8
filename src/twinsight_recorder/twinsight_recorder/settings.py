"""The recorder's settings, as its ROS parameter file holds them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ByteSize, Field, field_validator

from twinsight_store import labels as label
from twinsight_store.connection import StoreSettings
from twinsight_store.errors import ConfigurationError
from twinsight_store.layout import DEFAULT_BUCKET, DEFAULT_SINGLE_RECORD_BYTES
from twinsight_store.parameters import Seconds, Settings, Text
from twinsight_store.record_builder import ChunkRules

_SIZE = 'a size in bytes, or text with a unit: 64kB, 1MB, 20GB, 1MiB'
_DURATION = 'seconds, or text with a unit: 500ms, 1s, 2min'
_PATTERNS = 'a list of topic names or regular expressions that match whole names'
_LABELS = 'names of letters, digits and "_" (not the ones TwinSight sets), each with a text'


def _is_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'not a regular expression ({error})') from error
    return text


def _are_labels(labels: dict[str, str]) -> dict[str, str]:
    for name in labels:
        try:
            label.check_label_name(name)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
    return labels


Pattern = Annotated[str, AfterValidator(_is_expression)]
Labels = Annotated[dict[str, Text], AfterValidator(_are_labels)]


class TopicSettings(Settings):
    """Which topics are recorded: included and not excluded."""

    include: tuple[Pattern, ...] = Field(('.*',), description=_PATTERNS)
    exclude: tuple[Pattern, ...] = Field((), description=_PATTERNS)
    include_hidden: bool = Field(False, description='true or false')


class StreamSettings(Settings):
    """What the records of some topics are labelled with, and how often they are taken."""

    topics: tuple[Pattern, ...] = Field(description=_PATTERNS)
    sensor_type: Text = Field('', description='a text, for example camera')
    labels: Labels = Field({}, description=_LABELS)
    max_rate: float | None = Field(
        None, gt=0, description='messages a second of each topic, a number above 0'
    )


class BucketSettings(Settings):
    """The bucket in ReductStore; quota and quota_type count when it is made."""

    bucket: Text = Field(DEFAULT_BUCKET, min_length=1, description='the name of a bucket')
    quota: ByteSize = Field(ByteSize(0), description=f'0 for no limit, or {_SIZE}')
    quota_type: Literal['FIFO', 'HARD'] = Field('FIFO', description='FIFO or HARD')
    timeout: Seconds = Field(30.0, gt=0, description=_DURATION)


class ChunkSettings(Settings):
    """How small messages are gathered."""

    max_age: Seconds = Field(1.0, gt=0, le=60, description=f'up to 60 s: {_DURATION}')
    max_size: ByteSize = Field(ByteSize(1_000_000), gt=0, description=_SIZE)
    single_record_size: ByteSize = Field(
        ByteSize(DEFAULT_SINGLE_RECORD_BYTES), gt=0, description=_SIZE
    )


class RecorderSettings(Settings):
    """All parameters of the recorder node."""

    robot_id: Text = Field(description='letters, digits, "_" and "-"')
    mission_id: Text = Field('', description='a text; empty makes one of date and time')
    labels: Labels = Field({}, description=_LABELS)
    topics: TopicSettings = Field(TopicSettings(), description='include, exclude')
    streams: dict[str, StreamSettings] = Field(
        {}, description='named groups of topics, each with topics and what holds for them'
    )
    store: BucketSettings = Field(BucketSettings(), description='bucket, quota, quota_type')
    chunk: ChunkSettings = Field(ChunkSettings(), description='max_age, max_size')
    memory_limit: ByteSize = Field(
        ByteSize(256_000_000), gt=0, description=f'what may wait to be stored: {_SIZE}'
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

    def chunk_rules(self) -> ChunkRules:
        """Return when chunks are closed."""
        return ChunkRules(
            max_age_ns=round(self.chunk.max_age * 1e9),
            max_bytes=int(self.chunk.max_size),
            single_record_bytes=int(self.chunk.single_record_size),
        )

    def store_settings(self) -> StoreSettings:
        """Return the store's settings; raises ConfigurationError without a URL."""
        return StoreSettings.from_environment(
            bucket=self.store.bucket,
            quota_bytes=int(self.store.quota),
            quota_type=self.store.quota_type,
            timeout_s=self.store.timeout,
        )
