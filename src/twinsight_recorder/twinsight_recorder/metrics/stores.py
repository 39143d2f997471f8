"""The sinks that the settings of a node name, with how they are to be used."""

from __future__ import annotations

from typing import NamedTuple

from twinsight_recorder.metrics.settings import HistorySettings, LiveSettings
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.sink import LiveSink
from twinsight_store.metrics.sink import MetricSink


class Store(NamedTuple):
    """A sink; gather_s is the least time between two of its writes (s)."""

    sink: MetricSink
    gather_s: float


def live_store(settings: LiveSettings) -> Store:
    """Return Redis; raises ConfigurationError where its address is not set."""
    redis = RedisSettings.from_environment()
    return Store(LiveSink(redis, stream_length=settings.stream_length), 0.0)


def history_store(settings: HistorySettings) -> Store:
    """Return TimescaleDB or PostgreSQL; raises ConfigurationError as live_store() does."""
    postgres = PostgresSettings.from_environment()
    return Store(HistorySink(postgres, settings.policies()), settings.gather)
