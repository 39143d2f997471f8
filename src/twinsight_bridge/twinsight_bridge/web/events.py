"""GET /events: alerts raised and cleared, anomalies, commands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from psycopg.sql import Composable, SQL
from psycopg.sql import Literal as SqlLiteral
from pydantic import BaseModel, Field

from twinsight_bridge.web.errors import RESPONSES
from twinsight_bridge.web.missions import Order
from twinsight_bridge.web.moments import Moment
from twinsight_bridge.web.paging import Cursor, cursor_of, cursor_values, MOST, next_link, Page
from twinsight_bridge.web.query_errors import for_query
from twinsight_bridge.web.selection_query import MissionQuery
from twinsight_bridge.web.stores import StoresOfApp
from twinsight_bridge.web.streaming import while_connected
from twinsight_store.errors import NothingMatchedError
from twinsight_store.history.catalog import nothing_matched
from twinsight_store.history.postgres import connect, postgres_errors, PostgresSettings
from twinsight_store.history.selection_sql import event_condition
from twinsight_store.history.times import moment, unix_ns
from twinsight_store.selection import Selection

# Ties are in the order of history/events.py. One row more than the page has: whether there is a
# next one.
_EVENTS = SQL("""
    SELECT time, robot_id, mission_id, kind, severity, message, data FROM event
    WHERE {condition} AND {from_cursor}
    ORDER BY time {order}, robot_id COLLATE "C", mission_id COLLATE "C", kind COLLATE "C",
             severity, message, data
    LIMIT {limit} OFFSET {given}
""")

router = APIRouter(tags=['events'], responses=RESPONSES)


class Event(BaseModel):
    """Something happened."""

    time: Moment
    robot_id: str
    mission_id: str
    kind: Annotated[str, Field(examples=['alert_raised'])]
    severity: Annotated[str, Field(examples=['warn'])]
    message: str
    data: Mapping[str, Any]


class EventPage(Page):
    """Events in the order of their times."""

    events: list[Event]


@router.get('/events')
async def events(
    request: Request, stores: StoresOfApp, selection: MissionQuery,
    kind: Annotated[tuple[str, ...], Query(description='Such as `alert_raised`.')] = (),
    severity: Annotated[tuple[str, ...], Query(description='info, warn or error.')] = (),
    limit: Annotated[int, Query(ge=1, le=MOST, description='Events a page.')] = 100,
    order: Order = 'asc', cursor: Cursor = None,
) -> EventPage:
    """List events; several values of one parameter are alternatives."""
    position = None if cursor is None else cursor_values(cursor, int, int)
    question = partial(
        _page, selection=selection, kinds=kind, severities=severity, limit=limit, order=order,
        position=position,
    )
    try:
        found = await while_connected(request, stores.ask_history(question))
    except NothingMatchedError as error:
        return EventPage(events=[], note=for_query(str(error)))
    page = found[:limit]
    following = None
    if len(found) > limit:
        following = next_link(request, selection, cursor_of(*_position_after(page, position)))
    return EventPage(events=page, next=following)


def _page(
    settings: PostgresSettings, selection: Selection, kinds: tuple[str, ...],
    severities: tuple[str, ...], limit: int, order: str, position: list[int] | None,
) -> list[Event]:
    """Return a page's events, with the one after it."""
    from_cursor: Composable = SQL('true')
    if position is not None:
        from_cursor = SQL('time {} {}').format(
            SQL('<=' if order == 'desc' else '>='), SqlLiteral(moment(position[0]))
        )
    query = _EVENTS.format(
        condition=event_condition(selection, kinds, severities),
        from_cursor=from_cursor,
        order=SQL('DESC' if order == 'desc' else 'ASC'),
        limit=SqlLiteral(limit + 1),
        given=SqlLiteral(position[1] if position else 0),
    )
    with connect(settings, 'twinsight api') as connection, postgres_errors(settings):
        rows = connection.execute(query).fetchall()
    if not rows and position is None:
        asked = ', '.join(
            f'{what} {" or ".join(values)}'
            for what, values in (('kind', kinds), ('severity', severities)) if values
        )
        raise nothing_matched(settings, selection, asked=asked, events=True)
    return [
        Event(
            time=unix_ns(row[0]), robot_id=row[1], mission_id=row[2], kind=row[3],
            severity=row[4], message=row[5], data=row[6],
        )
        for row in rows
    ]


def _position_after(page: list[Event], position: list[int] | None) -> tuple[int, int]:
    """Return the time of a page's last event, and how many of that time were given by then."""
    last_ns = page[-1].time
    given = sum(event.time == last_ns for event in page)
    if position is not None and position[0] == last_ns:
        given += position[1]
    return last_ns, given
