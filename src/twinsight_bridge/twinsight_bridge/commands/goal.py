"""Commands that are the goal of an action."""

from __future__ import annotations

import asyncio
from contextlib import suppress
import logging
from typing import Any

from action_msgs.msg import GoalStatus
from action_msgs.srv import CancelGoal
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from unique_identifier_msgs.msg import UUID

from twinsight_bridge.commands.calling import cancel_goals
from twinsight_bridge.commands.command import Command
from twinsight_bridge.commands.endpoints import Endpoints
from twinsight_bridge.commands.errors import (
    CommandError,
    FailedError,
    NoAnswerError,
    NobodyThereError,
    RefusedError,
)
from twinsight_bridge.commands.mapping import MappingSettings
from twinsight_bridge.commands.ros_json import ros_json
from twinsight_bridge.commands.ros_node import until

_LOOK_S = 0.5
_GONE_S = 10.0
"""A server that is away for so long does not come back to a goal: a new one knows none of it."""

_LATE_S = 60.0

_log = logging.getLogger(__name__)


class Goal:
    """A goal on its way, under the command's id: sends it and waits for its end."""

    def __init__(self, command: Command, mapping: MappingSettings, endpoints: Endpoints) -> None:
        """Make one; reach() sends it."""
        self._command = command
        self._mapping = mapping
        self._endpoints = endpoints
        self._ros = endpoints.ros
        self._name = command.target.name
        self._id = UUID(uuid=list(bytes.fromhex(command.id)))
        self._handle: ClientGoalHandle[Any, Any, Any] | None = None
        self._late: asyncio.Task[None] | None = None

    async def reach(self, goal: Any) -> None:
        """
        Return when the goal is reached.

        Raises NobodyThereError, NoAnswerError, RefusedError, FailedError; CancelledError where
        it was cancelled.
        """
        cls = self._mapping.ros_class()
        async with self._endpoints.action_client(self._name, cls) as client:
            try:
                await self._send(client, goal)
                await self._wait(client)
            finally:
                self._forget(client)

    async def _send(self, client: ActionClient[Any, Any, Any], goal: Any) -> None:
        wait_s, timeout_s = self._mapping.wait, self._mapping.timeout
        if not await until(client.server_is_ready, wait_s):
            raise NobodyThereError(
                f'nobody serves {self._name} ({self._mapping.type}): waited {wait_s:g} s for it'
            )
        self._command.sent = True
        answered = await self._ros.asked(
            lambda: client.send_goal_async(goal, self._feed, self._id)
        )
        try:
            handle = await asyncio.wait_for(asyncio.shield(answered), timeout_s)
        except asyncio.TimeoutError as error:
            self._late = asyncio.create_task(self._take_back(answered))
            raise NoAnswerError(
                f'{self._name} did not take the goal, nor refuse it, within {timeout_s:g} s; it '
                'is cancelled if it was taken, or is later'
            ) from error
        if not handle.accepted:
            raise RefusedError(f'{self._name} refuses the goal')
        self._handle = handle
        self._command.runs(self._cancel)

    async def _wait(self, client: ActionClient[Any, Any, Any]) -> None:
        assert self._handle is not None
        loop = asyncio.get_running_loop()
        ended = await self._ros.asked(self._handle.get_result_async)
        limit_s = self._mapping.time_limit
        end = loop.time() + limit_s if limit_s else float('inf')
        seen = loop.time()
        while not ended.done():
            await asyncio.wait((ended,), timeout=min(_LOOK_S, max(0.0, end - loop.time())))
            if client.server_is_ready():
                seen = loop.time()
            if ended.done():
                break
            if loop.time() - seen > _GONE_S:
                raise FailedError(f'the server of {self._name} is gone: what it did is not known')
            if loop.time() >= end:
                await self._end_late(ended)
        answer = ended.result()
        self._command.result = ros_json(answer.result)
        self._judge(answer.status)

    async def _end_late(self, ended: asyncio.Future[Any]) -> None:
        late = f'not done within {self._mapping.time_limit:g} s'
        try:
            await self._cancel()
        except CommandError as error:
            raise NoAnswerError(f'{late}, and {error}') from error
        await asyncio.wait((ended,), timeout=self._mapping.timeout)
        raise NoAnswerError(f'{late}: it is cancelled')

    def _judge(self, status: int) -> None:
        if status == GoalStatus.STATUS_CANCELED:
            if self._command.cancelled_by is None:
                raise FailedError(f'{self._name}: the goal was cancelled, but not from here')
            raise asyncio.CancelledError
        if status != GoalStatus.STATUS_SUCCEEDED:
            told = self._command.result
            why = next((told[key] for key in ('error_msg', 'message') if told.get(key)), '')
            raise FailedError(f'{self._name}: the robot gave up{why and f": {why}"}')

    def _feed(self, message: Any) -> None:
        self._command.feed(message.feedback)

    async def _cancel(self) -> None:
        """Ask the server to cancel the goal; raises RefusedError and NoAnswerError."""
        assert self._handle is not None
        answered = await self._ros.asked(self._handle.cancel_goal_async)
        timeout_s = self._mapping.timeout
        try:
            answer = await asyncio.wait_for(answered, timeout_s)
        except asyncio.TimeoutError as error:
            raise NoAnswerError(
                f'{self._name} does not answer within {timeout_s:g} s whether it cancels the goal'
            ) from error
        gone = CancelGoal.Response.ERROR_GOAL_TERMINATED
        if not answer.goals_canceling and answer.return_code != gone:
            raise RefusedError(f'{self._name} refuses to cancel the goal')

    async def _take_back(self, answered: asyncio.Future[Any]) -> None:
        """Cancel a goal that nobody counts on any more: now, and when it is taken late."""
        for timeout_s in (0.0, _LATE_S):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(answered), timeout_s)
            try:
                count = await cancel_goals(
                    self._name, self._endpoints, self._mapping.wait, _LATE_S, self._id
                )
            except CommandError as error:
                _log.warning('a goal that was not answered in time: %s', error)
            else:
                if count:
                    _log.warning('%s took a goal late: it is cancelled', self._name)
                    return

    def _forget(self, client: ActionClient[Any, Any, Any]) -> None:
        """Drop what rclpy keeps for ever of a goal that was not answered, or refused."""
        client._feedback_callbacks.pop(bytes(self._id.uuid), None)
