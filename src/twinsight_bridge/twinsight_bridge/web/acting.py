"""The acting side of the api: commands, recorders, replay sessions, and what they need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
import logging
import os

from fastapi import FastAPI

from twinsight_bridge.commands import ros_node
from twinsight_bridge.commands.acting_settings import ActingSettings
from twinsight_bridge.commands.catalog import Catalog
from twinsight_bridge.commands.commands import Commands
from twinsight_bridge.commands.desk import Desk
from twinsight_bridge.commands.endpoints import Endpoints
from twinsight_bridge.commands.event_log import EventLog
from twinsight_bridge.commands.event_table import EventTable
from twinsight_bridge.commands.recorders import Recorders
from twinsight_bridge.commands.robots import Robots
from twinsight_bridge.web import bridge_client, commands, recorder_control, replay_sessions
from twinsight_bridge.web.bridge_client import BridgeClient
from twinsight_bridge.web.command_problems import add_command_handlers
from twinsight_bridge.web.may_act import TOKEN_VARIABLE
from twinsight_bridge.web.stores import Stores
from twinsight_store.errors import ConfigurationError, TwinsightError
from twinsight_store.live.read import robots as live_robots
from twinsight_store.live.sink import LiveSink
from twinsight_store.metrics.fact import Event

TAGS = [
    {'name': 'commands', 'description': commands.DESCRIPTION},
    {'name': 'recorders', 'description': recorder_control.DESCRIPTION},
    {'name': 'replay', 'description': replay_sessions.DESCRIPTION},
]
"""What the application says of the endpoints that mount() adds."""

_log = logging.getLogger(__name__)

_MISSION_S = 0.5
_EVENTS_S = 3.0


@dataclass
class Acting:
    """
    What the endpoints need, while the server runs.

    recorders  None where they are not to be controlled
    logs       store → the log that writes events into it
    """

    settings: ActingSettings
    desk: Desk
    commands: Commands
    bridge: BridgeClient
    recorders: Recorders | None
    logs: Mapping[str, EventLog]


def mount(
    app: FastAPI, settings: ActingSettings, where: str = 'configuration',
    environment: Mapping[str, str] = os.environ, ros_arguments: Sequence[str] = (),
) -> None:
    """
    Add the endpoints to an application; opened() has to hold while it serves.

    where          what errors call the configuration: its file
    ros_arguments  for the node

    Raises ConfigurationError where the configuration or the token is not accepted.
    """
    app.state.api_token = _token(environment)
    app.state.acting_parts = (
        settings, Catalog(settings.commands, f'{where}: commands'),
        Robots(settings.robots, f'{where}: robots'), ros_arguments,
    )
    for part in (commands, recorder_control, replay_sessions):
        app.include_router(part.router)
    add_command_handlers(app)


@asynccontextmanager
async def opened(app: FastAPI, stores: Stores) -> AsyncIterator[None]:
    """Have what the endpoints need for as long as the block runs, in ``app.state.acting``."""
    settings, catalog, robots, ros_arguments = app.state.acting_parts
    async with AsyncExitStack() as stack:
        bridge = await stack.enter_async_context(bridge_client.opened(settings.bridge_url))
        logs = _logs(stores)
        stack.push_async_callback(_close, logs)
        endpoints = None
        if settings.needs_ros:
            node = ros_node.opened('api', ros_arguments)
            endpoints = Endpoints(await stack.enter_async_context(node))
        recorders = Recorders(endpoints) if endpoints and settings.recorder_control else None
        asked = Commands(partial(_tell, logs), partial(_mission, stores, recorders))
        stack.push_async_callback(asked.close)
        if recorders:
            await recorders.open()
        app.state.acting = Acting(
            settings, Desk(catalog, robots, asked, endpoints), asked, bridge, recorders, logs
        )
        yield


def _token(environment: Mapping[str, str]) -> str:
    token = environment.get(TOKEN_VARIABLE, '')
    if token and (not token.isascii() or not token.isprintable() or ' ' in token):
        raise ConfigurationError(f'{TOKEN_VARIABLE}: accepted are ASCII characters without spaces')
    return token


def _logs(stores: Stores) -> dict[str, EventLog]:
    logs = {}
    if stores.addresses.history:
        logs['PostgreSQL'] = EventLog(EventTable(stores.addresses.history))
    if stores.addresses.live:
        logs['Redis'] = EventLog(LiveSink(stores.addresses.live))
    return logs


def _tell(logs: Mapping[str, EventLog], event: Event) -> None:
    _log.info('%s: %s', event.robot_id, event.message)
    for log in logs.values():
        log.add(event)


async def _close(logs: Mapping[str, EventLog]) -> None:
    await asyncio.gather(*(asyncio.to_thread(log.close, _EVENTS_S) for log in logs.values()))


async def _mission(stores: Stores, recorders: Recorders | None, robot_id: str) -> str:
    """Return the mission that a robot is at, as its recorder or Redis has it; '' for neither."""
    told = recorders.mission_of(robot_id) if recorders else ''
    if told or stores.addresses.live is None:
        return told
    with suppress(TwinsightError, asyncio.TimeoutError):
        for each in await asyncio.wait_for(stores.ask_live(live_robots), _MISSION_S):
            if each.robot_id == robot_id and each.online:
                return each.mission_id
    return ''
