"""Missions as they are remembered: when, how long, how far, how much was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.rows import class_row
from psycopg.sql import Composable, Literal, SQL

from twinsight_store.errors import ConfigurationError
from twinsight_store.history.catalog import nothing_matched
from twinsight_store.history.postgres import connect, postgres_errors, PostgresSettings
from twinsight_store.history.selection_sql import mission_condition
from twinsight_store.history.times import UNIX_NS
from twinsight_store.selection import Selection

# All in one statement. Each LATERAL is a few steps in an index, for each mission, but the
# distance: that is one range of an index, all samples of one metric. Less would not do, as a
# recorder that is started again begins at 0, and nothing but the samples tells where; it takes
# about 0.1 s for an hour at 50 Hz.
_QUERY = """
    SELECT robot_id, mission_id, {started}, {ended}, ended_by, {last_seen},
           distance_m, topics, messages, bytes, events, labels
    FROM (
        SELECT robot_id, mission_id, started, last_seen, labels,
               CASE WHEN lost THEN last_seen ELSE ended END AS ended,
               CASE WHEN lost THEN 'lost' ELSE ended_by END AS ended_by
        FROM (
            SELECT *, ended IS NULL AND {vanished} AS lost
            FROM mission WHERE {condition}
        ) AS stored
    ) AS mission
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT topic) AS topics, coalesce(sum(messages), 0)::bigint AS messages,
               coalesce(sum(bytes), 0)::bigint AS bytes
        FROM mission_recording AS r
        WHERE r.robot_id = mission.robot_id AND r.mission_id = mission.mission_id
    ) AS recorded
    CROSS JOIN LATERAL (
        SELECT count(*) AS events FROM event AS e
        WHERE e.robot_id = mission.robot_id AND e.mission_id = mission.mission_id
    ) AS happened
    LEFT JOIN LATERAL (
        SELECT i.name
        FROM metric_info AS i
        CROSS JOIN LATERAL (
            SELECT FROM metric AS m
            WHERE {sample} AND m.name = i.name AND m.mission_id = mission.mission_id
            ORDER BY time LIMIT 1
        ) AS begin
        WHERE i.robot_id = mission.robot_id AND i.name LIKE '%.distance'
        ORDER BY i.name COLLATE "C" LIMIT 1
    ) AS odometer ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(greatest(step, 0)), 0) AS distance_m
        FROM (
            SELECT mission_id, lag(mission_id) OVER earlier AS mission_before,
                   value - lag(value) OVER earlier AS step
            FROM metric AS m WHERE {sample} AND m.name = odometer.name
            WINDOW earlier AS (ORDER BY time)
        ) AS steps
        WHERE mission_id = mission.mission_id AND mission_before = mission.mission_id
    ) AS way ON odometer.name IS NOT NULL
    ORDER BY started, robot_id COLLATE "C", mission_id COLLATE "C"
"""
_SAMPLE = """
    m.robot_id = mission.robot_id AND m.value IS NOT NULL
    AND m.time BETWEEN mission.started AND mission.last_seen
"""


@dataclass(frozen=True)
class Mission:
    """
    One mission of one robot; times are Unix ns, in whole microseconds.

    ended_ns    None while it is open
    ended_by    request, next (another one began), lost (the robot vanished); None while open
    distance_m  how far: what its metric that ends in ``.distance`` grew, also where that began
                at 0 again on the way; of several the first by name that has samples; None where
                there is none
    topics      how many different topics were recorded
    messages    how many, of all recorders and topics
    bytes       the same in bytes
    events      how many
    """

    robot_id: str
    mission_id: str
    started_ns: int
    ended_ns: int | None
    ended_by: str | None
    last_seen_ns: int
    distance_m: float | None
    topics: int
    messages: int
    bytes: int  # noqa: A003
    events: int
    labels: Mapping[str, str]

    @property
    def duration_s(self) -> float:
        """Return how long it took; while it is open, until the robot was last seen."""
        end_ns = self.last_seen_ns if self.ended_ns is None else self.ended_ns
        return (end_ns - self.started_ns) / 1e9


def missions(
    settings: PostgresSettings, selection: Selection, *, lost_after_s: float | None = None
) -> list[Mission]:
    """
    Return the missions that reach into the selected span, by start, robot and id.

    A mission reaches into it that started before its end, and ended, or was last seen, at or
    after its begin. An open one whose robot was last seen more than ``lost_after_s`` ago, by
    the server's clock, is shown as lost: ended when it was last seen. None shows what is
    stored. Only metrics that metric_info knows count for the distance.

    Raises NothingMatchedError, which says what there is; ConfigurationError where sensors or
    topics are selected; StoreUnavailableError, StoreRefusedError.
    """
    if lost_after_s is not None and not lost_after_s > 0:
        raise ConfigurationError(f'lost_after_s {lost_after_s}: accepted is more than 0')
    query = SQL(_QUERY).format(
        **{
            name: SQL(f'{UNIX_NS.format(name)} AS {name}_ns')
            for name in ('started', 'ended', 'last_seen')
        },
        sample=SQL(_SAMPLE), vanished=_vanished(lost_after_s),
        condition=mission_condition(selection),
    )
    with connect(settings) as connection, postgres_errors(settings):
        found = connection.cursor(row_factory=class_row(Mission)).execute(query).fetchall()
    if not found:
        raise nothing_matched(settings, selection)
    return found


def _vanished(lost_after_s: float | None) -> Composable:
    if lost_after_s is None:
        return SQL('false')
    return SQL('extract(epoch FROM now() - last_seen) > {}').format(Literal(float(lost_after_s)))
