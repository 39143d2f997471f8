"""What lies in the stores after a load, compared with what was published."""

from __future__ import annotations

from collections.abc import Mapping
import json
from typing import Any, NamedTuple

import psycopg

from .load import Load, STREAMS

_AT_ONCE = 5000


class Held(NamedTuple):
    """How many samples of a metric are there, and the sum of their values."""

    samples: int
    total: float


_NOTHING = Held(0, 0.0)


def in_postgres(url: str, robot_id: str) -> dict[str, Held]:
    """Return what the database has, by metric."""
    with psycopg.connect(url) as connection:
        return {
            name: Held(count, total) for name, count, total in connection.execute(
                'SELECT name, count(*), coalesce(sum(value), 0) FROM metric WHERE robot_id = %s '
                'GROUP BY name', [robot_id],
            )
        }


def in_redis(live: Any, robot_id: str) -> dict[str, Held]:
    """Return what the robot's stream in Redis has, by metric; reads all of it."""
    counts: dict[str, list[float]] = {}
    after = '-'
    while entries := live.xrange(f'twinsight:metrics:{robot_id}', after, count=_AT_ONCE):
        for _, fields in entries:
            for name, value in json.loads(fields[b'data'])['values'].items():
                of_name = counts.setdefault(name, [0, 0.0])
                of_name[0] += 1
                of_name[1] += value if isinstance(value, (int, float)) else 0.0
        after = b'(' + entries[-1][0]
    return {name: Held(int(count), total) for name, (count, total) in counts.items()}


def compared(found: Mapping[str, Held], load: Load) -> tuple[int, int]:
    """
    Return how many published samples are missing, and how many are there too often.

    Where the number of samples is right and the numbers in them are not, it counts as one of each.
    """
    rounds = load.rounds
    missing = again = 0
    for stream in STREAMS:
        for name in stream.names:
            count = found.get(name, _NOTHING).samples
            missing += max(0, rounds - count)
            again += max(0, count - rounds)
        counter = found.get(stream.counter_name, _NOTHING)
        if counter.samples == rounds and counter.total != rounds * (rounds - 1) / 2:
            missing += 1
            again += 1
    return missing, again
