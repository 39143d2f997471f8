"""What both stores have of a robot's metrics, held against each other sample by sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.read import history
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.layout import STREAM_LENGTH
from twinsight_store.live.read import latest, recent
from twinsight_store.selection import Selection

SHOWN = {'battery_state.percentage': '/battery_state', 'odom.x': '/odom', 'odom.y': '/odom'}
"""Metrics of the simulated robot that are worth a line, and the topics that they come from."""

Samples = list[tuple[int, float | str | None]]
"""Times (Unix time in whole microseconds, as PostgreSQL has them) with values, in order."""


@dataclass(frozen=True)
class MetricRow:
    """
    One metric.

    redis, postgres  how many samples they have
    identical        whether those are the same times and values
    latest           Redis' latest value with its unit, '' where it has none
    messages         that were published on its topic, None for a metric that is not worth a line
    """

    name: str
    redis: int
    postgres: int
    identical: bool
    latest: str = ''
    messages: int | None = None

    @property
    def is_whole(self) -> bool:
        """Return whether nothing is missing, as far as that is known."""
        return self.identical and self.messages in (None, self.redis)


def metric_rows(robot: str, mission: str, messages: Mapping[str, int]) -> list[MetricRow]:
    """
    Return a row for each metric that one of the stores has, by name.

    messages  topic → how many were published

    Raises NothingMatchedError where PostgreSQL has none; StoreUnavailableError,
    StoreRefusedError.
    """
    redis = RedisSettings.from_environment()
    live, stored = _in_redis(redis, robot, mission), _in_postgres(robot, mission)
    values = latest(redis, [robot])[robot]
    rows = []
    for name in sorted(live.keys() | stored.keys()):
        there, kept = live.get(name, []), stored.get(name, [])
        last = values.get(name)
        rows.append(MetricRow(
            name, len(there), len(kept), there == kept,
            f'{last.text if last.value is None else f"{last.value:.2f}"} {last.unit}'.strip()
            if last else '',
            messages.get(SHOWN[name], 0) if name in SHOWN else None,
        ))
    return rows


def _in_redis(settings: RedisSettings, robot: str, mission: str) -> dict[str, Samples]:
    found: dict[str, Samples] = {}
    for update in recent(settings, robot, STREAM_LENGTH):
        if update.mission_id == mission:
            for name, value in update.values.items():
                found.setdefault(name, []).append((update.time_ns // 1000, value))
    return found


def _in_postgres(robot: str, mission: str) -> dict[str, Samples]:
    selection = Selection(robots=(robot,), missions=(mission,))
    table = history(PostgresSettings.from_environment(), selection, resolution='raw')
    found: dict[str, Samples] = {}
    columns = (table['time'].cast('int64'), table['name'], table['value'], table['text'])
    for time_us, name, value, text in zip(*(each.to_pylist() for each in columns), strict=True):
        found.setdefault(name, []).append((time_us, text if value is None else value))
    return found
