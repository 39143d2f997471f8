"""Which runs there are: a run is one mission of one robot, in either store."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

from psycopg.errors import UndefinedTable
from psycopg.sql import SQL

from twinsight_store.catalog import Catalog
from twinsight_store.connection import Connection
from twinsight_store.errors import NothingMatchedError
from twinsight_store.history.database import Database
from twinsight_store.history.postgres import Connection as PostgresConnection
from twinsight_store.history.selection_sql import event_condition, mission_condition
from twinsight_store.selection import Selection

Run = tuple[str, str]
"""Robot and mission."""

_REMEMBERED = SQL("""
    SELECT robot_id, mission_id FROM mission WHERE mission_id <> '' AND {missions} UNION
    SELECT robot_id, mission_id FROM event WHERE mission_id <> '' AND {events}
""")


async def find_runs(
    connection: Connection, history: Database | None, selection: Selection
) -> list[Run]:
    """
    Return the runs that may have selected messages, by robot and mission.

    Raises StoreUnavailableError, StoreRefusedError.
    """
    runs: set[Run] = set()
    with suppress(NothingMatchedError):  # no bucket
        runs.update(await _recorded(connection, selection))
    if history and not selection.sensors:
        runs.update(await history.ask(partial(_remembered, selection)))
    return sorted(runs)


async def _recorded(connection: Connection, selection: Selection) -> list[Run]:
    catalog = Catalog(connection)
    robots = {entry.robot_id for entry in await catalog.entries()}
    return [
        (robot_id, mission_id)
        for robot_id in robots if selection.has_robot(robot_id)
        for mission_id in await catalog.missions(robot_id)
        if not selection.missions or mission_id in selection.missions
    ]


def _remembered(selection: Selection, connection: PostgresConnection) -> list[Run]:
    # Events are not counted as signs of life, so they may lie outside of their mission's span.
    chosen = replace(selection, topics=(), from_ns=None, to_ns=None)
    query = _REMEMBERED.format(
        missions=mission_condition(chosen), events=event_condition(chosen, (), ())
    )
    with suppress(UndefinedTable):  # nobody has written there yet
        return connection.execute(query).fetchall()
    return []
