"""GET /missions: what the robots did, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Query, Request
from psycopg.sql import Literal as SqlLiteral
from psycopg.sql import SQL
from pydantic import BaseModel, ConfigDict, Field

from twinsight_bridge.web.errors import RESPONSES
from twinsight_bridge.web.moments import Moment
from twinsight_bridge.web.paging import Cursor, cursor_of, cursor_values, next_link, Page
from twinsight_bridge.web.query_errors import for_query
from twinsight_bridge.web.selection_query import MissionQuery
from twinsight_bridge.web.stores import StoresOfApp
from twinsight_bridge.web.streaming import while_connected
from twinsight_store.errors import NothingMatchedError
from twinsight_store.history.missions import Mission as StoredMission
from twinsight_store.history.missions import missions as read_missions
from twinsight_store.history.postgres import connect, postgres_errors, PostgresSettings
from twinsight_store.history.selection_sql import mission_condition
from twinsight_store.history.times import moment, unix_ns
from twinsight_store.selection import Selection

_MOST = 200

# One row more than the page has: whether there is a next one.
_KEYS = SQL("""
    SELECT started, robot_id, mission_id FROM mission WHERE {condition} AND {after}
    ORDER BY started {order}, robot_id COLLATE "C", mission_id COLLATE "C" LIMIT {limit}
""")
_AFTER = SQL("""
    (started {beyond} {started} OR started = {started} AND (
        robot_id COLLATE "C" > {robot} OR robot_id = {robot} AND mission_id COLLATE "C" > {mission}
    ))
""")

router = APIRouter(tags=['missions'], responses=RESPONSES)

Order = Annotated[
    Literal['asc', 'desc'], Query(description='asc: the oldest first; desc: the newest first.')
]


class Mission(BaseModel):
    """One mission of one robot."""

    model_config = ConfigDict(from_attributes=True)

    robot_id: str
    mission_id: str
    started: Annotated[Moment, Field(validation_alias='started_ns')]
    ended: Annotated[
        Moment | None, Field(validation_alias='ended_ns', description='Null while it is open.')
    ]
    ended_by: Annotated[
        Literal['request', 'next', 'lost'] | None,
        Field(description='next: another one began; lost: the robot vanished.'),
    ]
    last_seen: Annotated[Moment, Field(validation_alias='last_seen_ns')]
    duration_s: Annotated[float, Field(description='So far, while it is open.')]
    distance_m: Annotated[
        float | None, Field(description='Metres driven; null where no metric tells.')
    ]
    topics: Annotated[int, Field(description='Different topics that were recorded.')]
    messages: int
    size_bytes: Annotated[
        int, Field(validation_alias='bytes', description='Of these messages.')
    ]
    events: int
    labels: Mapping[str, str]


class MissionPage(Page):
    """Missions in the order of their starts."""

    missions: list[Mission]


class _Key(NamedTuple):
    started_ns: int
    robot_id: str
    mission_id: str


@router.get('/missions')
async def missions(
    request: Request, stores: StoresOfApp, selection: MissionQuery,
    limit: Annotated[int, Query(ge=1, le=_MOST, description='Missions a page.')] = 50,
    order: Order = 'asc', cursor: Cursor = None,
) -> MissionPage:
    """List the missions that reach into the selected time."""
    after = None if cursor is None else _Key(*cursor_values(cursor, int, str, str))
    question = partial(_page, selection=selection, limit=limit, order=order, after=after)
    try:
        keys, found = await while_connected(request, stores.ask_history(question))
    except NothingMatchedError as error:
        return MissionPage(missions=[], note=for_query(str(error)))
    more = len(keys) > limit
    return MissionPage(
        missions=[Mission.model_validate(each) for each in found],
        next=next_link(request, selection, cursor_of(*keys[limit - 1])) if more else None,
    )


def _page(
    settings: PostgresSettings, selection: Selection, limit: int, order: str, after: _Key | None
) -> tuple[list[_Key], list[StoredMission]]:
    """Return the keys of a page's missions, with that of the one after it, and the missions."""
    keys = _keys(settings, selection, limit, order, after)
    if not keys and after is not None:
        return [], []
    page = keys[:limit]
    if page:
        selection = replace(
            selection, robots=tuple({key.robot_id for key in page}),
            missions=tuple({key.mission_id for key in page}),
        )
    # Two robots may have missions of one name: more may come than are on the page.
    found = {
        (each.robot_id, each.mission_id): each for each in read_missions(settings, selection)
    }
    names = [(key.robot_id, key.mission_id) for key in page]
    return keys, [found[name] for name in names if name in found]


def _keys(
    settings: PostgresSettings, selection: Selection, limit: int, order: str, after: _Key | None
) -> list[_Key]:
    query = _KEYS.format(
        condition=mission_condition(selection),
        after=SQL('true') if after is None else _after(after, order),
        order=SQL('DESC' if order == 'desc' else 'ASC'),
        limit=SqlLiteral(limit + 1),
    )
    with connect(settings, 'twinsight api') as connection, postgres_errors(settings):
        return [
            _Key(unix_ns(started), *names)
            for started, *names in connection.execute(query).fetchall()
        ]


def _after(key: _Key, order: str) -> Any:
    return _AFTER.format(
        beyond=SQL('<' if order == 'desc' else '>'), started=SqlLiteral(moment(key.started_ns)),
        robot=SqlLiteral(key.robot_id), mission=SqlLiteral(key.mission_id),
    )
