"""GET /topics and GET /schema: what was recorded, of which types."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from twinsight_bridge.web.errors import NOT_FOUND, RESPONSES
from twinsight_bridge.web.header_text import header_text
from twinsight_bridge.web.moments import Moment
from twinsight_bridge.web.paging import Note
from twinsight_bridge.web.query_errors import for_query
from twinsight_bridge.web.selected_topics import count as count_topic
from twinsight_bridge.web.selected_topics import selected_topics, SelectedTopic
from twinsight_bridge.web.selection_query import SelectionQuery
from twinsight_bridge.web.stores import Stores, StoresOfApp
from twinsight_bridge.web.streaming import while_connected
from twinsight_bridge.web.topic_query import RobotQuery, topic_selection, TopicQuery
from twinsight_store import layout
from twinsight_store.catalog import Catalog
from twinsight_store.errors import NothingMatchedError
from twinsight_store.selection import Selection

router = APIRouter(tags=['records'], responses=RESPONSES)


class StoredOfTopic(BaseModel):
    """All that the store holds of a topic, whatever is selected of it."""

    first: Moment
    last: Moment
    records: Annotated[
        int, Field(description='A big message is one; of small ones a second is one.')
    ]
    size_bytes: int


class SelectedOfTopic(BaseModel):
    """What is selected of a topic; a record that reaches over an end counts as a whole."""

    first: Moment
    last: Moment
    records: int
    messages: int
    size_bytes: Annotated[int, Field(description="An estimate, by the topic's mean record.")]


class Topic(BaseModel):
    """One topic of one robot."""

    robot_id: str
    topic: Annotated[str, Field(examples=['/camera/front/image_raw/compressed'])]
    type_name: Annotated[
        str,
        Field(description='Empty where nothing describes it.', examples=['sensor_msgs/msg/Imu']),
    ]
    sensor_type: Annotated[str, Field(examples=['camera'])]
    schema_encoding: Annotated[str, Field(description='ros2msg or ros2idl; empty for none.')]
    latched: Annotated[bool, Field(description='Its publisher keeps the last for late ones.')]
    stored: StoredOfTopic
    selected: Annotated[
        SelectedOfTopic | None, Field(description='Null where it was not asked for by `count`.')
    ]


class TopicList(BaseModel):
    """The topics of a selection."""

    topics: list[Topic]
    note: Note = None


@router.get('/topics')
async def topics(
    request: Request, stores: StoresOfApp, selection: SelectionQuery,
    count: Annotated[
        bool,
        Query(description='Count what is selected of each; it takes 30 s for a million records.'),
    ] = False,
) -> TopicList:
    """List the topics that have records in the selection, by robot and topic."""
    return await while_connected(request, _list(stores, selection, count))


@router.get(
    '/schema', response_class=PlainTextResponse,
    responses={
        200: {'description': 'The definition, with all that it uses. Headers: `X-Type-Name`, '
                             '`X-Schema-Encoding` (ros2msg or ros2idl), `X-Channel`.'},
        **NOT_FOUND,
    },
)
async def schema(
    stores: StoresOfApp, robot: RobotQuery, topic: TopicQuery,
    channel: Annotated[
        str, Query(description="That of a record, where the topic's type has changed since.")
    ] = '',
) -> PlainTextResponse:
    """Return the definition of a topic's messages, as text."""
    selection = topic_selection(robot, topic)
    catalog = Catalog(stores.records)
    await stores.records.present()  # or there is no bucket
    entry = layout.entry_name(robot, topic)
    found = (await catalog.channels([entry])).get(entry, {})
    chosen = found.get(channel)
    if chosen is None and found:
        raise NothingMatchedError(
            f'{robot} {topic} has no channel {channel!r}: there are '
            f'{", ".join(sorted(filter(None, found)))}'
        )
    if chosen is None:
        raise await catalog.nothing(selection)
    if not chosen.schema:
        raise NothingMatchedError(f'no definition of {robot} {topic} was stored')
    headers = {
        'X-Type-Name': header_text(chosen.type_name),
        'X-Schema-Encoding': header_text(chosen.schema_encoding),
        'X-Channel': chosen.id,
    }
    return PlainTextResponse(chosen.schema, headers=headers)


async def _list(stores: Stores, selection: Selection, count: bool) -> TopicList:
    connection = stores.records
    async with stores.reading.turn():
        found = await selected_topics(connection, selection)
        if not found:
            try:
                nothing = await Catalog(connection).nothing(selection)
            except NothingMatchedError as no_bucket:
                nothing = no_bucket
            return TopicList(topics=[], note=for_query(str(nothing)))
        return TopicList(topics=[
            _topic(each, await _selected(stores, each, selection) if count else None)
            for each in found
        ])


async def _selected(
    stores: Stores, topic: SelectedTopic, selection: Selection
) -> SelectedOfTopic | None:
    counted = await count_topic(stores.records, topic.entry, selection)
    if counted is None:
        return None
    return SelectedOfTopic(
        first=counted.first_ns, last=counted.last_ns, records=counted.records,
        messages=counted.messages,
        size_bytes=topic.entry.bytes * counted.records // max(topic.entry.records, 1),
    )


def _topic(found: SelectedTopic, selected: SelectedOfTopic | None) -> Topic:
    entry, channel, _ = found
    return Topic(
        robot_id=entry.robot_id, topic=channel.topic, type_name=channel.type_name,
        sensor_type=found.sensor_type, schema_encoding=channel.schema_encoding,
        latched=channel.latched,
        stored=StoredOfTopic(
            first=entry.oldest_us * 1000, last=entry.latest_us * 1000, records=entry.records,
            size_bytes=entry.bytes,
        ),
        selected=selected,
    )
