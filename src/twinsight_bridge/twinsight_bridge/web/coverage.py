"""GET /coverage: what was recorded when, as a timeline draws it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from twinsight_bridge.web import recorded_spans
from twinsight_bridge.web.durations import ACCEPTED, duration_ns
from twinsight_bridge.web.errors import RESPONSES
from twinsight_bridge.web.moments import Moment
from twinsight_bridge.web.query_errors import query_error, query_errors
from twinsight_bridge.web.selected_topics import bounds, selected_topics, SelectedTopic
from twinsight_bridge.web.selection_query import SelectionQuery
from twinsight_bridge.web.stores import Stores, StoresOfApp
from twinsight_bridge.web.streaming import while_connected
from twinsight_store.selection import Selection

_USUAL_PARTS, _MOST_PARTS = 720, 10_000

router = APIRouter(tags=['records'], responses=RESPONSES)


class Span(BaseModel):
    """A time without a gap."""

    first: Moment
    last: Moment
    mission_id: Annotated[str, Field(description='Empty where it was recorded in none.')]


class TopicCoverage(BaseModel):
    """When a topic was recorded."""

    topic: str
    type_name: str
    sensor_type: str
    spans: list[Span]


class RobotCoverage(BaseModel):
    """When a robot was recorded: any topic of it, and each."""

    robot_id: str
    spans: list[Span]
    topics: list[TopicCoverage]


class Coverage(BaseModel):
    """What was recorded when."""

    resolution_s: Annotated[int, Field(description='By so much the ends of spans may be late.')]
    robots: list[RobotCoverage]


@router.get('/coverage')
async def coverage(
    request: Request, stores: StoresOfApp, selection: SelectionQuery,
    resolution: Annotated[
        str | None,
        Query(
            description='Gaps of more than twice this are seen, and ends may be late by it: '
                        f'{ACCEPTED}; whole seconds. By default 1/720 of the time, 2 minutes of '
                        'a day.',
            examples=['1min'],
        ),
    ] = None,
) -> Coverage:
    """
    Tell when each topic of a selection was recorded, by robot and topic.

    It asks for no message, and a day of a robot takes some seconds.
    """
    wanted_s = None
    if resolution is not None:
        with query_errors('resolution'):
            wanted_s = max(1, -(-duration_ns('resolution', resolution) // 1_000_000_000))
    return await while_connected(request, _coverage(stores, selection, wanted_s))


async def _coverage(stores: Stores, selection: Selection, wanted_s: int | None) -> Coverage:
    async with stores.reading.turn():
        topics = await selected_topics(stores.records, selection)
        resolution_s = _resolution_s(topics, selection, wanted_s)
        robots: dict[str, list[TopicCoverage]] = {}
        spans: dict[str, list[recorded_spans.Span]] = {}
        found = recorded_spans.spans_of(stores.records, topics, selection, resolution_s)
        async for topic, own in found:
            robot_id = topic.entry.robot_id
            spans.setdefault(robot_id, []).extend(own)
            robots.setdefault(robot_id, []).append(
                TopicCoverage(
                    topic=topic.channel.topic, type_name=topic.channel.type_name,
                    sensor_type=topic.sensor_type, spans=[_span(each) for each in own],
                )
            )
    return Coverage(
        resolution_s=resolution_s,
        robots=[
            RobotCoverage(
                robot_id=robot_id, topics=covered,
                spans=[_span(each) for each in recorded_spans.united(spans[robot_id])],
            )
            for robot_id, covered in robots.items()
        ],
    )


def _resolution_s(
    topics: list[SelectedTopic], selection: Selection, wanted_s: int | None
) -> int:
    ends = [bounds(topic.entry, selection) for topic in topics]
    length_us = max((end for _, end in ends), default=0) - min((at for at, _ in ends), default=0)
    if wanted_s is None:
        return 1 + length_us // (_USUAL_PARTS * 1_000_000)
    least_s = -(-length_us // (_MOST_PARTS * 1_000_000))
    if wanted_s < least_s:
        raise query_error(
            'resolution', f'resolution {wanted_s} s: accepted is {least_s} s or more for this '
            'time; or select a shorter one', wanted_s,
        )
    return wanted_s


def _span(span: recorded_spans.Span) -> Span:
    return Span(first=span.from_ns, last=span.to_ns, mission_id=span.mission_id)
