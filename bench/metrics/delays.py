"""How far behind the stores are while a load is published."""

from __future__ import annotations

from collections.abc import Callable
import json
import threading
import time
from types import TracebackType
from typing import Any, TypeAlias

import psycopg

from bench.process import Process
from twinsight_tools.messages import ToolError

from .load import STREAMS

POSTGRES, REDIS = 'PostgreSQL', 'Redis'

Seen: TypeAlias = list[tuple[float, float]]
"""Seconds since the beginning, and a delay in seconds."""

_LOOK_S = 0.5
_NAP_S = 0.1
_DRAIN_S = 30.0

_LAST = STREAMS[-1].counter_name
_NEWEST = (
    'SELECT extract(epoch FROM time)::float8, value FROM metric '
    'WHERE robot_id = %s AND name = %s ORDER BY time DESC LIMIT 1'
)


class Delays:
    """
    Looks now and then at how old the newest sample of one metric is in both stores.

    A sample has the time at which DDS had received its message, so what waits inside DDS, in the
    recorder or before a store is all in that age.
    """

    def __init__(self, url: str, live: Any, robot_id: str) -> None:
        self.seen: dict[str, Seen] = {POSTGRES: [], REDIS: []}
        self._live, self._robot_id = live, robot_id
        self._connection = psycopg.connect(url, autocommit=True)
        self._stop = threading.Event()
        self._start_s = 0.0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Delays:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread.is_alive():
            self.end()
        self._connection.close()

    def wait_for_recorder(self, recorder: Process, patience_s: float) -> None:
        """Return when a recorder has written to both; raises ToolError where it does not."""
        try:
            self._wait(self._is_known, patience_s, 'the recorder does not write to both stores')
        except ToolError as error:
            raise ToolError(f'{error}:\n{recorder.tail()}') from error

    def begin(self) -> None:
        """Begin to look."""
        self._start_s = time.monotonic()
        self._thread.start()

    def end(self) -> None:
        """Look no longer."""
        self._stop.set()
        self._thread.join()

    def wait_for_last(self, number: int) -> float | None:
        """Return the seconds until both stores have the last message; None: they never do."""
        start_s = time.monotonic()
        try:
            self._wait(lambda: all(
                newest is not None and newest[1] >= number
                for newest in (self._in_postgres(), self._in_redis())
            ), _DRAIN_S, 'the last sample did not come')
        except ToolError:
            return None
        return time.monotonic() - start_s

    def _wait(self, done: Callable[[], bool], patience_s: float, otherwise: str) -> None:
        give_up_at = time.monotonic() + patience_s
        while not done():
            if time.monotonic() > give_up_at:
                raise ToolError(f'{otherwise} (waited {patience_s:g} s)')
            time.sleep(_NAP_S)

    def _is_known(self) -> bool:
        there = self._connection.execute("SELECT to_regclass('delivered') IS NOT NULL").fetchone()
        if not (there and there[0] and self._live.hexists('twinsight:robots', self._robot_id)):
            return False
        row = self._connection.execute(
            'SELECT EXISTS (SELECT FROM mission WHERE robot_id = %s)', [self._robot_id]
        ).fetchone()
        return bool(row and row[0])

    def _look(self) -> None:
        while not self._stop.wait(_LOOK_S):
            for store, newest in ((POSTGRES, self._in_postgres()), (REDIS, self._in_redis())):
                at_s = time.monotonic() - self._start_s
                # Where nothing has come yet, all of it is late.
                age_s = at_s if newest is None else time.time() - newest[0]
                self.seen[store].append((round(at_s, 3), round(age_s, 4)))

    def _in_postgres(self) -> tuple[float, float] | None:
        """Return Unix time (s) and number of the newest sample."""
        return self._connection.execute(_NEWEST, [self._robot_id, _LAST]).fetchone()

    def _in_redis(self) -> tuple[float, float] | None:
        data = self._live.hget(f'twinsight:live:{self._robot_id}', _LAST)
        if data is None:
            return None
        latest = json.loads(data)
        return latest['time_ns'] / 1e9, latest['value']
