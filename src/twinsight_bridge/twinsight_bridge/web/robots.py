"""GET /robots: who is there, and how they are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
import time
from typing import Annotated, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, Field

from twinsight_bridge.web.errors import RESPONSES
from twinsight_bridge.web.moments import Moment
from twinsight_bridge.web.selection_query import Robots
from twinsight_bridge.web.stores import StoreNotSetError, Stores, StoresOfApp
from twinsight_store.catalog import Catalog, Entry
from twinsight_store.errors import (
    NothingMatchedError,
    StoreUnavailableError,
    TwinsightError,
)
from twinsight_store.history.postgres import connect, postgres_errors, PostgresSettings
from twinsight_store.history.samples import find_robots, RobotThere, SampleSelection
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.read import latest, LiveRobot, LiveValue
from twinsight_store.live.read import robots as live_robots

ONLINE_S = 10.0
_PATIENCE_S = 5.0

T = TypeVar('T')

router = APIRouter(tags=['robots'], responses=RESPONSES)


class MetricNow(BaseModel):
    """The latest sample of a metric."""

    value: Annotated[
        float | str | None, Field(description='The number; the text where there is none.')
    ]
    unit: Annotated[str, Field(description='As REP-103 has it, for example `m`; empty for none.')]
    time: Moment
    age_s: Annotated[float, Field(description="Seconds since then, by the server's clock.")]
    mission_id: str


class StoredOfRobot(BaseModel):
    """What the store holds of a robot."""

    first: Moment
    last: Moment
    topics: int
    records: int
    size_bytes: int


class Robot(BaseModel):
    """A robot, live and stored."""

    robot_id: str
    online: Annotated[bool, Field(description=f'Seen in the last {ONLINE_S:g} s.')]
    last_seen: Annotated[
        Moment | None, Field(description='Live, or by its history; null for neither.')
    ]
    mission_id: Annotated[str | None, Field(description='In which it was seen live last.')]
    metrics: Annotated[dict[str, MetricNow], Field(description='Name of the metric → latest.')]
    stored: Annotated[StoredOfRobot | None, Field(description='Null where nothing is stored.')]


class RobotList(BaseModel):
    """All robots that any store knows."""

    robots: list[Robot]
    problems: Annotated[
        list[str], Field(description='Stores that are away, and so not looked at; empty for none.')
    ]


@router.get('/robots')
async def robots(stores: StoresOfApp, robot: Robots = ()) -> RobotList:
    """
    List the robots, by id: those that are live, and those of which there is only data.

    Where some of the stores are away the others tell what they know, and `problems` says so.
    """
    problems: list[TwinsightError] = []
    live, stored, there = await asyncio.gather(
        _or(None, problems, 'Redis', stores.ask_live(_live)),
        _or([], problems, 'ReductStore', _entries(stores)),
        _or([], problems, 'PostgreSQL', stores.ask_history(_robots_of_history)),
    )
    if len(problems) == 3 - len(stores.addresses.missing):
        raise problems[0]
    seen, values = live or ({}, {})
    entries: dict[str, list[Entry]] = {}
    for entry in stored:
        entries.setdefault(entry.robot_id, []).append(entry)
    until_ns = {each.robot_id: each.until_ns for each in there}
    now_ns = time.time_ns()
    return RobotList(
        robots=[
            _robot(
                each, seen.get(each), values.get(each, {}), entries.get(each, []),
                until_ns.get(each), now_ns,
            )
            for each in sorted({*seen, *values, *entries, *until_ns})
            if not robot or each in robot
        ],
        problems=[str(error) for error in problems],
    )


def metric_now(value: LiveValue, now_ns: int) -> MetricNow:
    """Return a live value as it is answered."""
    return MetricNow(
        value=value.text if value.value is None else value.value, unit=value.unit,
        time=value.time_ns, age_s=round((now_ns - value.time_ns) / 1e9, 3),
        mission_id=value.mission_id,
    )


async def _or(
    instead: T, problems: list[TwinsightError], store: str, question: Awaitable[T]
) -> T:
    """Return an answer; ``instead`` where there is nothing, or where a store is away."""
    try:
        return await asyncio.wait_for(question, _PATIENCE_S)
    except (NothingMatchedError, StoreNotSetError):
        pass
    except TwinsightError as error:
        problems.append(error)
    except asyncio.TimeoutError:
        text = f'{store} did not answer in {_PATIENCE_S:g} s'
        problems.append(StoreUnavailableError(text))
    return instead


def _live(
    settings: RedisSettings,
) -> tuple[dict[str, LiveRobot], dict[str, dict[str, LiveValue]]]:
    seen = {each.robot_id: each for each in live_robots(settings, ONLINE_S)}
    return seen, latest(settings)


async def _entries(stores: Stores) -> list[Entry]:
    return await Catalog(stores.records).entries()


def _robots_of_history(settings: PostgresSettings) -> list[RobotThere]:
    with connect(settings, 'twinsight api') as connection, postgres_errors(settings):
        return find_robots(connection, SampleSelection())


def _robot(
    robot_id: str, seen: LiveRobot | None, values: dict[str, LiveValue], entries: list[Entry],
    until_ns: int | None, now_ns: int,
) -> Robot:
    return Robot(
        robot_id=robot_id,
        online=seen is not None and seen.online,
        last_seen=seen.last_seen_ns if seen else until_ns,
        mission_id=seen and (seen.mission_id or None),
        metrics={name: metric_now(value, now_ns) for name, value in values.items()},
        stored=_stored(entries),
    )


def _stored(entries: Iterable[Entry]) -> StoredOfRobot | None:
    every = list(entries)
    if not every:
        return None
    return StoredOfRobot(
        first=min(entry.oldest_us for entry in every) * 1000,
        last=max(entry.latest_us for entry in every) * 1000,
        topics=len(every),
        records=sum(entry.records for entry in every),
        size_bytes=sum(entry.bytes for entry in every),
    )
