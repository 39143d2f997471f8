"""Keeping the store's replication tasks as the recorder's configuration wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
import time

from twinsight_store.connection import Connection
from twinsight_store.errors import StoreRefusedError, StoreUnavailableError, TwinsightError
from twinsight_store.replication import (
    ensure_replications,
    replication_states,
    ReplicationState,
)
from twinsight_store.replication_rule import ReplicationRule

_ASK_AGAIN_S = 1.0
_LOOK_PERIOD_S = 10.0


class Replicating:
    """
    Sets up the tasks before anything is written, and looks at them from time to time.

    buckets  those that hold the robot's records, the recorder's own first
    states   how the tasks were at the last look
    """

    def __init__(
        self, rules: Sequence[ReplicationRule], robot_id: str, buckets: Sequence[str]
    ) -> None:
        self.states: list[ReplicationState] = []
        self._rules = rules
        self._robot_id = robot_id
        self._buckets = buckets
        self._look_at = 0.0

    async def prepare(
        self,
        connection: Callable[[str], Awaitable[Connection]],
        on_problem: Callable[[TwinsightError], None],
    ) -> None:
        """
        Return when the tasks are as configured, or the store refuses that.

        Waits for a store that is away: what is written before would not be sent on.
        """
        while True:
            try:
                connections = [await connection(bucket) for bucket in self._buckets]
                if self._rules:
                    for each in connections:
                        await each.bucket(create=True)
                await ensure_replications(
                    connections[0], self._rules, self._robot_id, self._buckets
                )
                return
            except StoreUnavailableError as error:
                on_problem(error)
                await asyncio.sleep(_ASK_AGAIN_S)
            except TwinsightError as error:
                if self._rules:
                    on_problem(error)
                return

    async def look(self, connection: Connection) -> None:
        """Ask how the tasks do, where it is time; a store that is away is asked later."""
        if not self._rules or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_PERIOD_S
        try:
            self.states = await replication_states(connection, self._robot_id)
        except (StoreUnavailableError, StoreRefusedError):
            return
