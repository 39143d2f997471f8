"""Taking from the history what is no longer needed, a little at a time."""

from __future__ import annotations

from datetime import timedelta
import time

from twinsight_store.history.policies import HistoryPolicies
from twinsight_store.history.postgres import Connection
from twinsight_store.history.timescale import Layout

_ROWS = 10_000
_FORGET_SOURCE = timedelta(days=30)

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


def maintain(
    connection: Connection, policies: HistoryPolicies, layout: Layout, limit_s: float = 0.5
) -> bool:
    """
    Delete what is older than the retention, and sources not heard of for 30 days.

    TimescaleDB's policies do the former by themselves. From plain tables rows are deleted in
    small transactions for about ``limit_s``; False means that there are more. Raises
    psycopg.Error.
    """
    connection.execute('DELETE FROM delivered WHERE updated < now() - %s', [_FORGET_SOURCE])
    if policies.retention_s is None or layout.policies:
        return True
    retention = timedelta(seconds=policies.retention_s)
    if layout.hypertable:
        connection.execute("SELECT drop_chunks('metric', now() - %s)", [retention])
        return True
    end = time.monotonic() + limit_s
    while connection.execute(_DELETE_OLD, [retention, _ROWS, _ROWS]).rowcount == _ROWS:
        if time.monotonic() > end:
            return False
    return True
