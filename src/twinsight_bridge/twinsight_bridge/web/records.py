"""GET /records: the messages of a selection, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from twinsight_bridge.web.errors import RESPONSES
from twinsight_bridge.web.moments import Moment, Nanoseconds
from twinsight_bridge.web.paging import Cursor, cursor_of, cursor_values, MOST, next_link, Page
from twinsight_bridge.web.query_errors import for_query
from twinsight_bridge.web.record_pages import Position, read_page
from twinsight_bridge.web.selection_query import SelectionQuery
from twinsight_bridge.web.stores import Stores, StoresOfApp
from twinsight_bridge.web.streaming import while_connected
from twinsight_store import labels as label
from twinsight_store.catalog import Catalog
from twinsight_store.errors import NothingMatchedError, RecordError
from twinsight_store.message import Message
from twinsight_store.selection import Selection

CONTENT_PATH = '/records/content'

_MOST_PROBLEMS = 20
_OWN_LABELS = (label.ROBOT, label.MISSION, label.SENSOR)

router = APIRouter(tags=['records'], responses=RESPONSES)


class Record(BaseModel):
    """One message, without its content."""

    robot_id: str
    topic: str
    receive_ns: Annotated[
        Nanoseconds, Field(description='When it was received: with robot and topic its name.')
    ]
    time: Annotated[Moment, Field(description='The same, for people.')]
    publish_time: Moment
    stamp_time: Annotated[
        Moment | None, Field(description='`header.stamp`, where the type has one.')
    ]
    type_name: Annotated[str, Field(examples=['sensor_msgs/msg/Imu'])]
    channel: Annotated[str, Field(description='Names its definition, see /schema.')]
    sequence: Annotated[int, Field(description="The publisher's number; 0 where not known.")]
    size_bytes: Annotated[int, Field(description='As CDR.')]
    mission_id: str
    sensor_type: str
    labels: Annotated[Mapping[str, str], Field(description='The others of its labels.')]
    content: Annotated[str, Field(description='Path and query of its content.')]


class RecordPage(Page):
    """Messages in the order of their receive times."""

    records: list[Record]
    problems: Annotated[
        list[str], Field(description='Records of the page that cannot be read, twenty at most.')
    ]


@router.get('/records')
async def records(
    request: Request, stores: StoresOfApp, selection: SelectionQuery,
    limit: Annotated[int, Query(ge=1, le=MOST, description='Messages a page.')] = 100,
    cursor: Cursor = None,
) -> RecordPage:
    """List the messages of a selection in time order, without their contents."""
    position = None if cursor is None else Position(*cursor_values(cursor, int, int))
    return await while_connected(
        request, _page(request, stores, selection, position, limit)
    )


async def _page(
    request: Request, stores: Stores, selection: Selection, position: Position | None, limit: int
) -> RecordPage:
    problems: list[str] = []

    def report(error: RecordError) -> None:
        if len(problems) < _MOST_PROBLEMS:
            problems.append(str(error))

    connection = stores.records
    async with stores.reading.turn():
        try:
            rows, following = await read_page(
                connection, selection, position, limit, record_of, report
            )
            if not rows and not problems and position is None:
                raise await Catalog(connection).nothing(selection)
        except NothingMatchedError as error:
            return RecordPage(records=[], problems=[], note=for_query(str(error)))
    return RecordPage(
        records=rows, problems=problems,
        next=following and next_link(request, selection, cursor_of(*following)),
    )


def record_of(message: Message, index: int) -> Record:
    """Return a message's row; ``index`` is its number among those of its topic and time."""
    address = {
        'robot': message.robot_id, 'topic': message.topic, 'receive_ns': message.receive_ns,
    }
    if index:
        address['index'] = index
    return Record(
        robot_id=message.robot_id, topic=message.topic, receive_ns=message.receive_ns,
        time=message.receive_ns, publish_time=message.publish_ns, stamp_time=message.stamp_ns,
        type_name=message.type_name, channel=message.channel.id, sequence=message.sequence,
        size_bytes=len(message.data), mission_id=message.mission_id,
        sensor_type=message.labels.get(label.SENSOR, ''),
        labels={
            name: value for name, value in message.labels.items() if name not in _OWN_LABELS
        },
        content=f'{CONTENT_PATH}?{urlencode(address, safe="/")}',
    )
