"""Where commands to robots are asked for: from a name and a JSON object to what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
import time
from typing import Any

from twinsight_bridge.commands.calling import call, cancel_goals
from twinsight_bridge.commands.catalog import Catalog, Definition
from twinsight_bridge.commands.command import Asker, Command, Target
from twinsight_bridge.commands.commands import Commands, Order
from twinsight_bridge.commands.endpoints import Endpoints
from twinsight_bridge.commands.errors import (
    BodyError,
    CommandError,
    FailedError,
    NotMappedError,
    Problem,
    UnknownNameError,
)
from twinsight_bridge.commands.goal import Goal
from twinsight_bridge.commands.mapping import MappingSettings, resolved
from twinsight_bridge.commands.publishing import publish
from twinsight_bridge.commands.robots import Robots
from twinsight_store.errors import ConfigurationError


class Desk:
    """
    Takes commands to robots.

    catalog  what may be asked
    robots   of whom
    """

    def __init__(
        self, catalog: Catalog, robots: Robots, commands: Commands, endpoints: Endpoints | None
    ) -> None:
        """Make one that sends through the endpoints; None where nothing is mapped."""
        self.catalog = catalog
        self.robots = robots
        self._commands = commands
        self._endpoints = endpoints

    async def ask(
        self, robot_id: str, name: str, body: Mapping[str, Any], by: Asker, key: str = ''
    ) -> Command:
        """Return what do() of Commands does; raises CommandError where nothing was tried."""
        namespace = self.robots.namespace(robot_id)
        try:
            order = self._order(robot_id, namespace, name, body, by)
            return await self._commands.do(order, by, key)
        except CommandError as error:
            await self._commands.refused(robot_id, name, body, by, error)
            raise

    def target(self, definition: Definition, robot_id: str) -> Target | None:
        """Return what a robot's command is sent to, None where it is not mapped."""
        mapping = definition.mapping
        if mapping is None:
            return None
        namespace = self.robots.namespace(robot_id)
        name = _name(mapping.name, robot_id, namespace)
        return Target(mapping.way, name, mapping.type)

    def _order(
        self, robot_id: str, namespace: str, name: str, body: Mapping[str, Any], by: Asker
    ) -> Order:
        definition = self.catalog[name]
        mapping, target = definition.mapping, self.target(definition, robot_id)
        if mapping is None or target is None or definition.problem:
            raise NotMappedError(definition.problem)
        values = definition.body.values(body)
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        try:
            message = definition.message(values | {
                'robot_id': robot_id, 'namespace': namespace, 'operator': by.operator,
                'now': {'sec': seconds, 'nanosec': nanoseconds},
            })
        except ConfigurationError as error:
            raise BodyError([Problem((), str(error))]) from error
        cancel = [_name(each, robot_id, namespace) for each in mapping.cancel]
        return Order(
            robot_id, name, values, target,
            partial(self._send, message=message, mapping=mapping, cancel=cancel),
        )

    async def _send(
        self, command: Command, *, message: Any, mapping: MappingSettings, cancel: list[str]
    ) -> None:
        """Do what is asked, and at the same time cancel what else may move the robot."""
        endpoints, limits = self._endpoints, (mapping.wait, mapping.timeout)
        assert endpoints is not None
        sending: Coroutine[Any, Any, Any]
        if mapping.way == 'topic':
            sending = publish(command, message, mapping, endpoints)
        elif mapping.way == 'service':
            sending = call(command, mapping.ros_class(), message, endpoints, *limits)
        else:
            sending = Goal(command, mapping, endpoints).reach(message)
        outcomes = await asyncio.gather(
            sending, *(cancel_goals(each, endpoints, *limits) for each in cancel),
            return_exceptions=True,
        )
        counts = [each for each in outcomes[1:] if isinstance(each, int)]
        if cancel:
            command.result = {**(command.result or {}), 'cancelled_goals': sum(counts)}
        for each in outcomes:
            if isinstance(each, CommandError) and any(counts) and not command.sent:
                command.sent = True
                raise FailedError(f'{each}; {sum(counts)} goals were cancelled') from each
            if isinstance(each, BaseException):
                raise each


def _name(name: str, robot_id: str, namespace: str) -> str:
    try:
        return resolved(name, robot_id, namespace, f'robot {robot_id!r}')
    except ConfigurationError as error:
        raise UnknownNameError(str(error)) from error
