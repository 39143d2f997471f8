"""What is live at a moment: robots, the latest values, the latest events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
import time
from typing import Any

from twinsight_bridge.web.moments import iso_time
from twinsight_bridge.web.robots import metric_now, ONLINE_S
from twinsight_store.live.connection import connect, redis_errors, RedisSettings
from twinsight_store.live.layout import DATA, events_key, parsed
from twinsight_store.live.read import latest, LiveRobot
from twinsight_store.live.read import robots as live_robots

_EVENTS_A_ROBOT = 20
_EVENT_FIELDS = ('time_ns', 'mission_id', 'kind', 'severity', 'message', 'data')


def snapshot(
    settings: RedisSettings, wants: Callable[[str], bool], means: Callable[[str], bool]
) -> dict[str, Any]:
    """
    Return what is live, as what JSON can hold.

    wants  whether a robot is asked for
    means  whether a metric is

    Raises StoreUnavailableError, StoreRefusedError, RecordError.
    """
    robots = [robot for robot in live_robots(settings, ONLINE_S) if wants(robot.robot_id)]
    ids = [robot.robot_id for robot in robots]
    values = latest(settings, ids)
    now_ns = time.time_ns()
    told = []
    for robot in robots:
        metrics = {
            name: metric_now(value, now_ns).model_dump(mode='json')
            for name, value in values[robot.robot_id].items() if means(name)
        }
        told.append({**told_of(robot), 'metrics': metrics})
    return {
        'type': 'snapshot', 'time': iso_time(now_ns), 'robots': told,
        'events': _latest_events(settings, ids),
    }


def told_of(robot: LiveRobot) -> dict[str, Any]:
    """Return what is told of a robot besides its metrics."""
    return {
        'robot_id': robot.robot_id, 'online': robot.online,
        'last_seen': iso_time(robot.last_seen_ns), 'mission_id': robot.mission_id or None,
    }


def event_of(key: bytes, data: bytes, robot_id: str) -> dict[str, Any]:
    """Return an event as it lies in Redis as it is told; raises RecordError."""
    time_ns, *others = parsed(key, data, *_EVENT_FIELDS)
    return {
        'time': iso_time(time_ns), 'robot_id': robot_id,
        **dict(zip(_EVENT_FIELDS[1:], others, strict=True)),
    }


def _latest_events(settings: RedisSettings, robot_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the newest events of robots, the oldest of them first."""
    found: list[Mapping[str, Any]] = []
    with redis_errors(settings), closing(connect(settings, 'twinsight-live')) as client:
        pipeline = client.pipeline(transaction=False)
        for robot_id in robot_ids:
            pipeline.xrevrange(events_key(robot_id), count=_EVENTS_A_ROBOT)
        for robot_id, entries in zip(robot_ids, pipeline.execute(), strict=True):
            found += [
                event_of(events_key(robot_id), fields.get(DATA, b''), robot_id)
                for _, fields in entries
            ]
    return [dict(event) for event in sorted(found, key=lambda event: str(event['time']))]
