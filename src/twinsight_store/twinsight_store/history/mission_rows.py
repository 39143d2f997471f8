"""
The table mission: how missions begin, are seen, and end.

A mission begins with its MissionStarted, or with the first sign of life of it. It ends on
request, when the robot's next one starts, or when it was not seen for long ('lost'); a sign of
life that is later than the last one opens a lost one again, a later start any.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
import time
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from twinsight_store.history.postgres import Connection

_Y2000_NS = 946_684_800_000_000_000
_DAY_NS = 86_400_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_SEEN = """
    INSERT INTO mission AS m (robot_id, mission_id, started, last_seen) VALUES (%s, %s, %s, %s)
    ON CONFLICT (robot_id, mission_id) DO UPDATE SET
        started = LEAST(m.started, EXCLUDED.started),
        last_seen = GREATEST(m.last_seen, EXCLUDED.last_seen),
        ended = CASE WHEN m.ended_by = 'lost' AND EXCLUDED.last_seen > m.last_seen THEN NULL
                     ELSE m.ended END,
        ended_by = CASE WHEN m.ended_by = 'lost' AND EXCLUDED.last_seen > m.last_seen THEN NULL
                        ELSE m.ended_by END
    WHERE EXCLUDED.last_seen > m.last_seen OR EXCLUDED.started < m.started
    RETURNING xmax = 0
"""

# Samples of it may have made its row a moment before; where it has ended, it begins again.
_STARTED = """
    INSERT INTO mission AS m (robot_id, mission_id, started, last_seen, labels)
    VALUES (%(robot)s, %(mission)s, %(time)s, %(time)s, %(labels)s)
    ON CONFLICT (robot_id, mission_id) DO UPDATE SET
        started = LEAST(m.started, EXCLUDED.started),
        labels = CASE WHEN EXCLUDED.labels = '{}' THEN m.labels ELSE EXCLUDED.labels END,
        last_seen = GREATEST(m.last_seen, EXCLUDED.last_seen),
        ended = CASE WHEN m.ended < EXCLUDED.started THEN NULL ELSE m.ended END,
        ended_by = CASE WHEN m.ended < EXCLUDED.started THEN NULL ELSE m.ended_by END
    RETURNING xmax = 0
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

# What comes late, from another node or a spool, may be of a mission that ended long ago.
_SUPERSEDED = """
    UPDATE mission SET
        ended = CASE WHEN last_seen < next - %(silence)s THEN last_seen ELSE next END,
        ended_by = CASE WHEN last_seen < next - %(silence)s THEN 'lost' ELSE 'next' END
    FROM (
        SELECT min(started) AS next FROM mission
        WHERE robot_id = %(robot)s AND mission_id <> %(mission)s AND started >= %(time)s
    ) AS other
    WHERE robot_id = %(robot)s AND mission_id = %(mission)s AND ended IS NULL
      AND next IS NOT NULL
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
    """
    Note signs of life between two times; raises psycopg.Error.

    Times that no clock of a robot can mean, before 2000 or more than a day from now, are none.
    """
    latest_ns = time.time_ns() + _DAY_NS
    if not _Y2000_NS <= last_ns <= latest_ns:
        return
    first = time_of(max(first_ns, _Y2000_NS))
    row = connection.execute(_SEEN, [robot_id, mission_id, first, time_of(last_ns)]).fetchone()
    if row and row[0]:
        _end_if_superseded(connection, robot_id, mission_id, time_of(last_ns))


def mission_started(
    connection: Connection, robot_id: str, mission_id: str, time_ns: int,
    labels: Mapping[str, str],
) -> None:
    """
    Begin a mission, again where it has ended; its labels are these. The robot's others end.

    Raises psycopg.Error.
    """
    given: dict[str, Any] = {
        'robot': robot_id, 'mission': mission_id, 'time': time_of(time_ns),
        'labels': Jsonb(dict(labels)), 'silence': _SILENCE,
    }
    row = connection.execute(_STARTED, given).fetchone()
    connection.execute(_NEXT, given)
    if row and row[0]:
        _end_if_superseded(connection, robot_id, mission_id, given['time'])


def _end_if_superseded(
    connection: Connection, robot_id: str, mission_id: str, seen: datetime
) -> None:
    connection.execute(
        _SUPERSEDED,
        {'robot': robot_id, 'mission': mission_id, 'time': seen, 'silence': _SILENCE},
    )


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
