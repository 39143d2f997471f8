"""
Reading live values from Redis: what is now, what was just now, what comes.

follow() hears values the moment they are written, and misses those of an outage; tail() reads
them from the stream and goes on after an outage where it was. Times are those of the robots'
clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
import threading
import time
from typing import NamedTuple

import redis

from twinsight_store.errors import StoreUnavailableError
from twinsight_store.live.connection import (
    connect,
    redis_errors,
    RedisClient,
    RedisSettings,
)
from twinsight_store.live.layout import (
    ALL_METRICS,
    DATA,
    info_key,
    live_key,
    metrics_key,
    parsed,
    robot_of,
    ROBOTS,
    to_text,
)

_WAKE_S = 0.5
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 3.0
_PAGE = 1000
_ROBOTS_AT_ONCE = 100

# A robot's clock may be ahead of that of Redis by so much.
_CLOCKS_APART_MS = 60_000


class LiveValue(NamedTuple):
    """
    The latest sample of a metric.

    value  the number, None where it has a text only
    text   the text, None where it has a number only
    unit   as the metric's rule has it, '' for none
    """

    time_ns: int
    value: float | None
    text: str | None
    mission_id: str
    unit: str


class LiveRobot(NamedTuple):
    """A robot that was ever seen; ``mission_id`` is the one in which it was seen last."""

    robot_id: str
    last_seen_ns: int
    mission_id: str
    online: bool


class LiveUpdate(NamedTuple):
    """
    The values that a robot had at one time.

    values    name → number, or text where there is no number
    entry_id  where it lies in the stream; '' where it was heard by follow()
    """

    robot_id: str
    time_ns: int
    mission_id: str
    values: Mapping[str, float | str | None]
    entry_id: str = ''


class LiveLink(NamedTuple):
    """
    Whether updates come from now on.

    problem  why not, in one line; '' where they do
    """

    connected: bool
    problem: str = ''


def latest(
    settings: RedisSettings, robot_ids: Sequence[str] | None = None
) -> dict[str, dict[str, LiveValue]]:
    """
    Return the latest values of robots (None for all): robot → name → value.

    A robot without any has an empty dictionary. Raises StoreUnavailableError, StoreRefusedError
    and RecordError.
    """
    found: dict[str, dict[str, LiveValue]] = {}
    with _connected(settings) as client:
        if robot_ids is None:
            robot_ids = sorted(to_text(robot) for robot in client.hkeys(ROBOTS))
        for first in range(0, len(robot_ids), _ROBOTS_AT_ONCE):
            some = robot_ids[first:first + _ROBOTS_AT_ONCE]
            pipeline = client.pipeline(transaction=False)
            for robot_id in some:
                pipeline.hgetall(live_key(robot_id)).hgetall(info_key(robot_id))
            answers = pipeline.execute()
            for robot_id, values, infos in zip(some, answers[::2], answers[1::2], strict=True):
                found[robot_id] = _live_values(robot_id, values, infos)
    return found


def robots(
    settings: RedisSettings, timeout_s: float = 10.0, now_ns: int | None = None
) -> list[LiveRobot]:
    """
    Return all robots in the order of their ids.

    timeout_s  a robot that was seen in so many seconds before now is online
    now_ns     Unix ns; None for this machine's clock

    Raises StoreUnavailableError, StoreRefusedError and RecordError.
    """
    with _connected(settings) as client:
        seen = client.hgetall(ROBOTS)
    since_ns = (time.time_ns() if now_ns is None else now_ns) - round(timeout_s * 1e9)
    found = []
    for robot, data in seen.items():
        last_ns, mission_id = parsed(ROBOTS, data, 'last_seen_ns', 'mission_id')
        found.append(LiveRobot(to_text(robot), last_ns, mission_id, last_ns >= since_ns))
    return sorted(found)


def recent(
    settings: RedisSettings, robot_id: str, count: int = 1000, since_ns: int | None = None
) -> list[LiveUpdate]:
    """
    Return the newest updates of a robot, in the order in which they were written.

    count     at most so many
    since_ns  only those from this time on, Unix ns; None for any. Those of a robot whose clock
              is more than a minute ahead of that of Redis may be left out.

    Raises StoreUnavailableError, StoreRefusedError and RecordError.
    """
    found: list[LiveUpdate] = []
    first, last = '-', '+'
    if since_ns is not None:
        first = str(max(0, since_ns // 1_000_000 - _CLOCKS_APART_MS))
    with _connected(settings) as client:
        while len(found) < count:
            page = client.xrevrange(metrics_key(robot_id), last, first, _PAGE)
            for entry_id, fields in page:
                update = _entry(metrics_key(robot_id), entry_id, fields)
                if since_ns is None or update.time_ns >= since_ns:
                    found.append(update)
            if len(page) < _PAGE:
                break
            last = f'({page[-1][0].decode()}'
    return found[:count][::-1]


def follow(
    settings: RedisSettings, robot_ids: Sequence[str] = (), stop: threading.Event | None = None
) -> Iterator[LiveUpdate | LiveLink]:
    """
    Give the updates of robots (none for all) from now on; it ends when it is stopped.

    Tells with a LiveLink when updates begin to come, when the connection is lost, and when it
    is there again; what is written in between is not heard. Raises StoreRefusedError and
    RecordError.
    """

    def hear(client: RedisClient) -> Iterator[LiveUpdate | LiveLink]:
        with closing(client.pubsub()) as channels:
            if robot_ids:
                channels.subscribe(*map(metrics_key, robot_ids))
            else:
                channels.psubscribe(ALL_METRICS)
            wanted = len(set(robot_ids)) or 1
            heard_s = time.monotonic()
            asked = False
            while not stopped.is_set():
                message = channels.get_message(timeout=_WAKE_S)
                if message is not None:
                    heard_s, asked = time.monotonic(), False
                    if message['type'] in ('subscribe', 'psubscribe'):
                        wanted -= 1
                        if not wanted:
                            yield LiveLink(True)
                    elif message['type'] in ('message', 'pmessage'):
                        yield _update(message['channel'], message['data'])
                elif time.monotonic() - heard_s > settings.timeout_s:
                    if asked:
                        raise redis.TimeoutError(f'silent for {settings.timeout_s:g} s')
                    channels.ping()
                    heard_s, asked = time.monotonic(), True

    stopped = stop or threading.Event()
    yield from _again_and_again(settings, stopped, hear)


def tail(
    settings: RedisSettings, robot_id: str, after: str = '$',
    stop: threading.Event | None = None,
) -> Iterator[LiveUpdate | LiveLink]:
    """
    Give the updates of a robot's stream, each once; it ends when it is stopped.

    after  the entry_id after which to begin, '$' for what comes from now on, '0' for all

    An outage is told as follow() does; nothing is missed, unless the stream's cap took it
    meanwhile. Raises StoreRefusedError and RecordError.
    """
    key = metrics_key(robot_id)
    position = after

    def read(client: RedisClient) -> Iterator[LiveUpdate | LiveLink]:
        nonlocal position
        if position == '$':
            newest = client.xrevrange(key, count=1)
            position = newest[0][0].decode() if newest else '0'
        client.ping()
        yield LiveLink(True)
        wait_ms = round(1000 * min(_WAKE_S, settings.timeout_s / 2))
        while not stopped.is_set():
            for _, entries in client.xread({key: position}, count=_PAGE, block=wait_ms) or ():
                for entry_id, fields in entries:
                    update = _entry(key, entry_id, fields)
                    position = update.entry_id
                    yield update

    stopped = stop or threading.Event()
    yield from _again_and_again(settings, stopped, read)


def _again_and_again(
    settings: RedisSettings, stopped: threading.Event,
    read: Callable[[RedisClient], Iterator[LiveUpdate | LiveLink]],
) -> Iterator[LiveUpdate | LiveLink]:
    """Give what ``read`` gives with a connection; when that is lost, say so and make another."""
    pause_s, told = _FIRST_PAUSE_S, False
    while not stopped.is_set():
        try:
            with _connected(settings) as client:
                for each in read(client):
                    pause_s, told = _FIRST_PAUSE_S, False
                    yield each
        except StoreUnavailableError as error:
            if not told:
                told = True
                yield LiveLink(False, str(error))
            stopped.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


@contextmanager
def _connected(settings: RedisSettings) -> Iterator[RedisClient]:
    with redis_errors(settings), closing(connect(settings, 'twinsight-live')) as client:
        yield client


def _live_values(
    robot_id: str, values: Mapping[bytes, bytes], infos: Mapping[bytes, bytes]
) -> dict[str, LiveValue]:
    units = {name: parsed(info_key(robot_id), info, 'unit')[0] for name, info in infos.items()}
    found = {}
    for name, data in sorted(values.items()):
        time_ns, value, text, mission_id = parsed(
            live_key(robot_id), data, 'time_ns', 'value', 'text', 'mission_id'
        )
        unit = units.get(name, '')
        found[to_text(name)] = LiveValue(time_ns, value, text, mission_id, unit)
    return found


def _entry(key: bytes, entry_id: bytes, fields: Mapping[bytes, bytes]) -> LiveUpdate:
    return _update(key, fields.get(DATA, b''), entry_id.decode())


def _update(key: bytes, data: bytes, entry_id: str = '') -> LiveUpdate:
    time_ns, mission_id, values = parsed(key, data, 'time_ns', 'mission_id', 'values')
    return LiveUpdate(robot_of(key), time_ns, mission_id, values, entry_id)
