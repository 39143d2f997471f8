"""
The table mission: how missions begin, are seen, and end.

A mission begins with its MissionStarted, or with the first sign of life of it. It ends on
request, when the robot's next one starts, or when it was not seen for long ('lost'); a sign of
life that is later than the last one opens a lost one again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from twinsight_store.history.postgres import Connection

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_SEEN = """
    INSERT INTO mission AS m (robot_id, mission_id, started, last_seen) VALUES (%s, %s, %s, %s)
    ON CONFLICT (robot_id, mission_id) DO UPDATE SET
        last_seen = EXCLUDED.last_seen,
        ended = CASE WHEN m.ended_by = 'lost' THEN NULL ELSE m.ended END,
        ended_by = NULLIF(m.ended_by, 'lost')
    WHERE EXCLUDED.last_seen > m.last_seen
"""

# Samples of it may have made its row a moment before.
_STARTED = """
    INSERT INTO mission AS m (robot_id, mission_id, started, last_seen, labels)
    VALUES (%(robot)s, %(mission)s, %(time)s, %(time)s, %(labels)s)
    ON CONFLICT (robot_id, mission_id) DO UPDATE SET
        started = LEAST(m.started, EXCLUDED.started), labels = EXCLUDED.labels
"""

# A robot that was not heard of for this long before its next mission had vanished meanwhile.
_SILENCE = timedelta(minutes=5)

_NEXT = """
    UPDATE mission SET
        ended = CASE WHEN last_seen < %(time)s - %(silence)s THEN last_seen ELSE %(time)s END,
        ended_by = CASE WHEN last_seen < %(time)s - %(silence)s THEN 'lost' ELSE 'next' END
    WHERE robot_id = %(robot)s AND mission_id <> %(mission)s AND ended IS NULL
      AND started <= %(time)s
"""

_ENDED = """
    INSERT INTO mission AS m (robot_id, mission_id, started, last_seen, ended, ended_by)
    VALUES (%(robot)s, %(mission)s, %(time)s, %(time)s, %(time)s, 'request')
    ON CONFLICT (robot_id, mission_id) DO UPDATE SET
        ended = EXCLUDED.ended, ended_by = EXCLUDED.ended_by
    WHERE m.ended IS NULL OR m.ended_by = 'lost'
"""

_LOST = """
    UPDATE mission SET ended = last_seen, ended_by = 'lost'
    WHERE (robot_id, mission_id) IN (
        SELECT robot_id, mission_id FROM mission
        WHERE ended IS NULL AND last_seen < now() - %s
        FOR UPDATE SKIP LOCKED)
    RETURNING robot_id, mission_id
"""


class LostMission(NamedTuple):
    """A mission whose robot was not heard of for too long."""

    robot_id: str
    mission_id: str


def time_of(time_ns: int) -> datetime:
    """Return Unix ns as PostgreSQL keeps them: the floor in microseconds."""
    try:
        return _EPOCH + timedelta(microseconds=time_ns // 1000)
    except OverflowError as error:
        raise psycopg.DataError(f'{time_ns} ns is no time that PostgreSQL keeps') from error


def mission_seen(
    connection: Connection, robot_id: str, mission_id: str, first_ns: int, last_ns: int
) -> None:
    """Note signs of life between two times; raises psycopg.Error."""
    connection.execute(_SEEN, [robot_id, mission_id, time_of(first_ns), time_of(last_ns)])


def mission_started(
    connection: Connection, robot_id: str, mission_id: str, time_ns: int,
    labels: Mapping[str, str],
) -> None:
    """Begin a mission, or change its labels; the robot's others end. Raises psycopg.Error."""
    given = {
        'robot': robot_id, 'mission': mission_id, 'time': time_of(time_ns),
        'labels': Jsonb(dict(labels)), 'silence': _SILENCE,
    }
    connection.execute(_STARTED, given)
    connection.execute(_NEXT, given)


def mission_ended(
    connection: Connection, robot_id: str, mission_id: str, time_ns: int
) -> None:
    """End a mission on request; raises psycopg.Error."""
    connection.execute(
        _ENDED, {'robot': robot_id, 'mission': mission_id, 'time': time_of(time_ns)}
    )


def close_lost_missions(connection: Connection, timeout_s: float) -> list[LostMission]:
    """
    End the open missions that were last seen longer ago than the time-out; return them.

    The server's clock says what is now; the robots' clocks said when they were seen. Missions
    that somebody writes to at this moment are not lost. Raises psycopg.Error: use it within
    postgres_errors().
    """
    found = connection.execute(_LOST, [timedelta(seconds=timeout_s)]).fetchall()
    return [LostMission(*row) for row in found]
