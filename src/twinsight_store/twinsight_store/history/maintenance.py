"""Taking from the history what is no longer needed, a little at a time."""

from __future__ import annotations

from datetime import timedelta
import time

from twinsight_store.history.postgres import Connection
from twinsight_store.history.timescale import Layout

EVERY_S = 60.0
"""How often it is worth while."""

_ROWS = 10_000

# A robot may come back after so long with deliveries in its spool: were its number forgotten by
# then, those that had come through would be written once more. A source is a row of 100 bytes.
_FORGET_SOURCE = timedelta(days=400)

# Who gets the row does the work; of many recorders one, once in that time.
_CLAIM = """
    UPDATE history_policy SET maintained = now() WHERE maintained <= now() - %s
    RETURNING retention
"""
_UNFINISHED = "UPDATE history_policy SET maintained = '-infinity'"

# The index (robot_id, name, time) finds the series, one step each, and the old rows of each.
_DELETE_OLD = """
    WITH RECURSIVE series AS (
        (SELECT robot_id, name FROM metric ORDER BY robot_id, name LIMIT 1)
        UNION ALL
        SELECT next.robot_id, next.name FROM series, LATERAL (
            SELECT robot_id, name FROM metric
            WHERE (robot_id, name) > (series.robot_id, series.name)
            ORDER BY robot_id, name LIMIT 1) next
    )
    DELETE FROM metric WHERE ctid = ANY (ARRAY (
        SELECT old.at FROM series, LATERAL (
            SELECT ctid AS at FROM metric
            WHERE robot_id = series.robot_id AND name = series.name AND time < now() - %s
            LIMIT %s) old
        LIMIT %s))
"""


def maintain(connection: Connection, layout: Layout, limit_s: float = 0.5) -> bool:
    """
    Delete what is older than the retention, and sources not heard of for 400 days.

    The retention is that of the table history_policy. TimescaleDB's policies do it by themselves.
    From plain tables rows are deleted in small transactions for about ``limit_s``; False means
    that there are more. Nothing is done where another did it in the last minute. Raises
    psycopg.Error.
    """
    claimed = connection.execute(_CLAIM, [timedelta(seconds=0.9 * EVERY_S)]).fetchone()
    if claimed is None:
        return True
    connection.execute('DELETE FROM delivered WHERE updated < now() - %s', [_FORGET_SOURCE])
    retention = claimed[0]
    if retention is None or layout.policies:
        return True
    if layout.hypertable:
        connection.execute("SELECT drop_chunks('metric', now() - %s)", [retention])
        return True
    end = time.monotonic() + limit_s
    while connection.execute(_DELETE_OLD, [retention, _ROWS, _ROWS]).rowcount == _ROWS:
        if time.monotonic() > end:
            connection.execute(_UNFINISHED)
            return False
    return True
