"""All commands that were asked for lately: does each once, keeps what became of it, tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
import logging
from typing import Any, NamedTuple

from twinsight_bridge.commands.command import Asker, Command, end_of, State, Target
from twinsight_bridge.commands.command_events import asked_event, ended_event, refused_event
from twinsight_bridge.commands.errors import (
    CommandError,
    FailedError,
    KeyReusedError,
    RefusedError,
    TooManyError,
    UnknownNameError,
)
from twinsight_store.metrics.fact import Event

_CANCELLED_S = 5.0

_log = logging.getLogger(__name__)


class Order(NamedTuple):
    """
    What is to be done.

    body  as it was asked
    send  does it, and tells the command how far it is; raises CommandError
    """

    robot_id: str
    name: str
    body: Mapping[str, Any]
    target: Target
    send: Callable[[Command], Awaitable[None]]


class Commands:
    """
    Does commands and remembers the latest; used within one event loop, ended with close().

    tell        takes events
    mission_of  returns the mission of a robot, '' for an unknown one; does not take long
    most        commands that run at a time
    kept        commands that are remembered, with those that run
    """

    def __init__(
        self, tell: Callable[[Event], None], mission_of: Callable[[str], Awaitable[str]],
        most: int = 64, kept: int = 500,
    ) -> None:
        """Make one that remembers none."""
        self._tell = tell
        self._mission_of = mission_of
        self._most = most
        self._kept = kept
        self._commands: dict[str, Command] = {}
        self._keys: dict[str, tuple[Order, Command]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closing = False

    async def do(self, order: Order, by: Asker, key: str = '') -> Command:
        """
        Return the command of an order once it runs or has ended; its ``error`` says how it ended.

        With a key that came before nothing is done: the command of then is returned. Who asks
        may go away, the command goes on. Raises KeyReusedError and TooManyError.
        """
        command = self._of_key(order, key)
        if command is None:
            if len(self._running) >= self._most or self._closing:
                raise TooManyError(
                    f'{len(self._running)} commands run, which is as many as may: try again later'
                )
            command = Command(order.robot_id, order.name, order.target, order.body, by)
            self._remember(command)
            if key:
                self._keys[key] = (order, command)
            task = asyncio.create_task(self._run(command, order))
            self._running[command.id] = task
            task.add_done_callback(lambda _: self._running.pop(command.id))
        await command.known.wait()
        return command

    def get(self, robot_id: str, command_id: str) -> Command:
        """Return a command of a robot; raises UnknownNameError."""
        command = self._commands.get(command_id)
        if command is None or command.robot_id != robot_id:
            raise UnknownNameError(
                f'robot {robot_id!r} has no command {command_id!r}: it may be long ago, then '
                'GET /events?kind=command has it'
            )
        return command

    def recent(self, robot_id: str, count: int) -> list[Command]:
        """Return the latest commands of a robot, the newest first."""
        ours = [each for each in self._commands.values() if each.robot_id == robot_id]
        return ours[::-1][:count]

    async def cancel(self, command: Command, by: Asker) -> None:
        """
        Have a command end; it may take longer than this does.

        Raises RefusedError where it has ended already or the robot refuses, NoAnswerError.
        """
        if command.sent and not command.known.is_set():
            await command.known.wait()  # nobody knows yet what there is to cancel
        if command.ended.is_set():
            raise RefusedError(f'{command.name} has ended already: {command.state.value}')
        before, command.cancelled_by = command.cancelled_by, by
        if command.cancel is None:
            self._running[command.id].cancel()
        else:
            try:
                await command.cancel()
            except CommandError:
                command.cancelled_by = before
                raise
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(command.ended.wait(), _CANCELLED_S)

    async def refused(
        self, robot_id: str, name: str, body: Mapping[str, Any], by: Asker, why: CommandError
    ) -> None:
        """Tell of a command that is not tried."""
        mission_id = await self._mission_of(robot_id)
        self._tell(refused_event(robot_id, mission_id, name, body, by, str(why)))

    async def close(self) -> None:
        """End: what runs is left to the robots."""
        self._closing = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _of_key(self, order: Order, key: str) -> Command | None:
        if key not in self._keys:
            return None
        before, command = self._keys[key]
        if before[:4] != order[:4]:
            raise KeyReusedError(
                f'{key!r} came before with another command ({before.name} of {before.robot_id}): '
                'each command needs a key of its own'
            )
        if command.ended.is_set() and not command.sent:
            return None  # nothing reached the robot: asking again is meant
        return command

    def _remember(self, command: Command) -> None:
        self._commands[command.id] = command
        if len(self._commands) <= self._kept:
            return
        old = next((each for each in self._commands.values() if each.ended.is_set()), None)
        if old is not None:
            del self._commands[old.id]
            for key in [key for key, (_, each) in self._keys.items() if each is old]:
                del self._keys[key]

    async def _run(self, command: Command, order: Order) -> None:
        asking = asyncio.create_task(self._tell_asked(command))
        try:
            await order.send(command)
            command.ends(State.SUCCEEDED)
        except CommandError as error:
            command.ends(end_of(error), error)
        except asyncio.CancelledError:
            if self._closing:
                command.ends(State.FAILED, FailedError(
                    'the api ended meanwhile: what the robot does is not known'
                ))
            else:
                command.ends(State.CANCELLED)
        except Exception as error:
            _log.exception('%s of %s', command.name, command.robot_id)
            command.ends(State.FAILED, FailedError(f'it could not be sent ({error})'))
        await asking
        self._tell(ended_event(command))

    async def _tell_asked(self, command: Command) -> None:
        command.mission_id = await self._mission_of(command.robot_id)
        self._tell(asked_event(command))
