"""GET /metrics/names: which metrics there are."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from twinsight_bridge.web.errors import RESPONSES
from twinsight_bridge.web.metric_query import NameQuery
from twinsight_bridge.web.moments import Moment
from twinsight_bridge.web.paging import Note
from twinsight_bridge.web.query_errors import for_query
from twinsight_bridge.web.selection_query import FromTime, Missions, Robots, selection_of, ToTime
from twinsight_bridge.web.stores import StoresOfApp
from twinsight_bridge.web.streaming import while_connected
from twinsight_store.errors import NothingMatchedError
from twinsight_store.history.catalog import nothing_matched
from twinsight_store.history.postgres import connect, postgres_errors, PostgresSettings
from twinsight_store.history.samples import find_series, SampleSelection, SeriesSpan
from twinsight_store.selection import Selection

_INFOS = 'SELECT robot_id, name, unit, topic, field FROM metric_info WHERE robot_id = ANY(%s)'

router = APIRouter(tags=['metrics'], responses=RESPONSES)


class Metric(BaseModel):
    """A metric of a robot that has samples in the selection."""

    robot_id: str
    name: Annotated[str, Field(examples=['battery.percentage'])]
    unit: Annotated[str, Field(description='As REP-103 has it, for example `m`; empty for none.')]
    topic: Annotated[str, Field(description='Where it comes from; empty where not known.')]
    field: Annotated[str, Field(description="The path to it in the topic's messages.")]
    first: Moment
    last: Moment


class MetricList(BaseModel):
    """Metrics by robot and name."""

    metrics: list[Metric]
    note: Note = None


@router.get('/metrics/names')
async def names(
    request: Request, stores: StoresOfApp, name: NameQuery, robot: Robots = (),
    mission: Missions = (), from_time: FromTime = None, to_time: ToTime = None,
) -> MetricList:
    """List the metrics that have samples, with the times of the first and the last."""
    selection = selection_of(
        robot=robot, mission=mission, from_time=from_time, to_time=to_time
    )
    question = partial(_list, selection=selection, names=name)
    try:
        found = await while_connected(request, stores.ask_history(question))
    except NothingMatchedError as error:
        return MetricList(metrics=[], note=for_query(str(error)))
    return MetricList(metrics=found)


def _list(
    settings: PostgresSettings, selection: Selection, names: tuple[str, ...]
) -> list[Metric]:
    wanted = SampleSelection(
        selection.robots, selection.missions, names, selection.from_ns, selection.to_ns
    )
    with connect(settings, 'twinsight api') as connection, postgres_errors(settings):
        found = find_series(connection, wanted)
        robots = sorted({series.robot_id for series in found})
        infos = {
            (robot_id, name): info
            for robot_id, name, *info in connection.execute(_INFOS, [robots]).fetchall()
        }
    if not found:
        raise nothing_matched(settings, selection, names=names)
    return [
        _metric(series, *infos.get((series.robot_id, series.name), ('', '', '')))
        for series in found
    ]


def _metric(series: SeriesSpan, unit: str, topic: str, field: str) -> Metric:
    return Metric(
        robot_id=series.robot_id, name=series.name, unit=unit, topic=topic, field=field,
        first=series.first_ns, last=series.last_ns,
    )
