"""The sinks that the settings of a node name, with how they are to be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from twinsight_recorder.metrics.settings import HistorySettings, LiveSettings
from twinsight_recorder.mission.lost import LostMissions
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.sink import LiveSink
from twinsight_store.metrics.sink import MetricSink


class Store(NamedTuple):
    """
    A sink.

    gather_s  least time between two of its writes (s)
    look      is to be called often while the sink has all there is, in the sink's thread
    """

    sink: MetricSink
    gather_s: float = 0.0
    look: Callable[[], None] = lambda: None


def live_store(settings: LiveSettings) -> Store:
    """Return Redis; raises ConfigurationError where its address is not set."""
    redis = RedisSettings.from_environment()
    return Store(LiveSink(redis, stream_length=settings.stream_length))


def history_store(settings: HistorySettings) -> Store:
    """Return TimescaleDB or PostgreSQL; raises ConfigurationError as live_store() does."""
    postgres = PostgresSettings.from_environment()
    sink = HistorySink(postgres, settings.policies())
    return Store(sink, settings.gather, LostMissions(postgres, settings.lost_after).look)
