"""Commands to robots: /robots/{robot_id}/commands."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import BaseModel, Field

from twinsight_bridge.commands.catalog import Definition
from twinsight_bridge.commands.commands import Commands
from twinsight_bridge.commands.desk import Desk
from twinsight_bridge.web.asked_command import (
    answered,
    AskedCommand,
    IdempotencyKey,
    SentTo,
    shown,
)
from twinsight_bridge.web.command_problems import RESPONSES
from twinsight_bridge.web.errors import NOT_FOUND
from twinsight_bridge.web.event_counts import counts_of, EventsWritten
from twinsight_bridge.web.may_act import MayAct, REFUSALS

DESCRIPTION = """\
`start_mission`, `end_mission`, `go_to_pose`, `stop`, and what the configuration adds; it says to
which topic, service or action each is sent.

`POST` answers when the command is done (200), runs (202; `GET` its `Location` for feedback and
result), or did not succeed. With an `Idempotency-Key` it can be sent again after an answer was
lost: it is done once. Every command is an event of kind `command`, with who asked and what became
of it.
"""
_RECENT = 20

router = APIRouter(prefix='/robots/{robot_id}/commands', tags=['commands'])


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.acting.desk
    return desk


def _commands(request: Request) -> Commands:
    commands: Commands = request.app.state.acting.commands
    return commands


DeskOfApp = Annotated[Desk, Depends(_desk)]
CommandsOfApp = Annotated[Commands, Depends(_commands)]


class CommandParameter(BaseModel):
    """A field of a command's body."""

    name: str
    type: Annotated[str, Field(examples=['number'])]
    required: bool
    default: Any
    description: str
    unit: str
    least: float | None
    most: float | None
    choices: tuple[str, ...]


class KnownCommand(BaseModel):
    """A command that may be asked for."""

    name: str
    description: str
    fields: list[CommandParameter]
    to: Annotated[SentTo | None, Field(description='Null where it is not mapped.')]
    available: bool
    problem: Annotated[str, Field(description='Why it is not available; empty else.')]


class CommandList(BaseModel):
    """What a robot may be asked to do."""

    robot_id: str
    commands: list[KnownCommand]
    recent: Annotated[list[AskedCommand], Field(description=f'The last {_RECENT}, newest first.')]
    events: Annotated[
        list[EventsWritten],
        Field(description='How the record of all commands gets into the stores.'),
    ]


@router.get('', responses=NOT_FOUND)
async def list_commands(
    robot_id: str, desk: DeskOfApp, commands: CommandsOfApp, request: Request
) -> CommandList:
    """List what a robot may be asked to do, and what it was asked lately."""
    desk.robots.namespace(robot_id)
    return CommandList(
        robot_id=robot_id,
        commands=[_known(each, desk, robot_id) for each in desk.catalog],
        recent=[shown(each) for each in commands.recent(robot_id, _RECENT)],
        events=counts_of(request.app.state.acting.logs),
    )


@router.post('/{name}', responses={**RESPONSES, **REFUSALS}, response_model=AskedCommand)
async def ask(
    robot_id: str, name: str, by: MayAct, desk: DeskOfApp, response: Response,
    body: Annotated[
        dict[str, Any] | None, Body(description='The fields that GET lists.', examples=[
            {'x': 1.5, 'y': -2.0, 'yaw': 1.57},
        ]),
    ] = None,
    key: IdempotencyKey = '',
) -> AskedCommand | Response:
    """Have a robot do something."""
    return answered(await desk.ask(robot_id, name, body or {}, by, key), response)


@router.get('/{command_id}', responses=NOT_FOUND)
async def show(robot_id: str, command_id: str, commands: CommandsOfApp) -> AskedCommand:
    """Show a command that was asked for lately."""
    return shown(commands.get(robot_id, command_id))


@router.delete(
    '/{command_id}', responses={
        **{status: RESPONSES[status] for status in (404, 409, 504)}, **REFUSALS,
    },
)
async def cancel(
    robot_id: str, command_id: str, by: MayAct, commands: CommandsOfApp, response: Response
) -> AskedCommand:
    """Cancel a command: 200 when it has ended, 202 when the robot takes longer for that."""
    command = commands.get(robot_id, command_id)
    await commands.cancel(command, by)
    if command.ended_ns is None:
        response.status_code = 202
    return shown(command)


def _known(definition: Definition, desk: Desk, robot_id: str) -> KnownCommand:
    target = desk.target(definition, robot_id)
    return KnownCommand(
        name=definition.name, description=definition.description,
        fields=[
            CommandParameter(
                name=name, type=each.type, required=each.required, default=each.default,
                description=each.description, unit=each.unit, least=each.least, most=each.most,
                choices=each.choices,
            )
            for name, each in definition.parameters.items()
        ],
        to=SentTo(**target._asdict()) if target else None,
        available=not definition.problem, problem=definition.problem,
    )
