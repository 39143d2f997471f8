"""A command as it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Header, Response, status
from pydantic import BaseModel, Field

from twinsight_bridge.commands.command import Asker, Command, State, Target
from twinsight_bridge.web.command_problems import problem
from twinsight_bridge.web.moments import Moment

IdempotencyKey = Annotated[
    str,
    Header(
        alias='Idempotency-Key', max_length=255,
        description='Any text of your own: what comes again with the same one is done once.',
    ),
]


class AskedBy(BaseModel):
    """Who asked."""

    operator: Annotated[str, Field(description='As they call themselves; empty for nobody.')]
    address: str
    authenticated: Annotated[bool, Field(description='Whether they had the token.')]


class SentTo(BaseModel):
    """What a command is sent to."""

    way: Annotated[str, Field(examples=['action'], description='topic, service or action')]
    name: Annotated[str, Field(examples=['/robot_05/navigate_to_pose'])]
    type: Annotated[str, Field(examples=['nav2_msgs/action/NavigateToPose'])]


class Feedback(BaseModel):
    """What the robot told on the way."""

    time: Moment
    data: Any


class AskedCommand(BaseModel):
    """A command that was asked for, and what became of it."""

    id: str
    robot_id: str
    name: str
    state: State
    message: Annotated[str, Field(description='Why it did not succeed; empty else.')]
    body: Annotated[Mapping[str, Any], Field(description='What was asked, with defaults.')]
    by: AskedBy
    to: SentTo
    asked: Moment
    ended: Moment | None
    feedback: Annotated[Feedback | None, Field(description='The latest.')]
    result: Annotated[Any, Field(description="The robot's answer; null where there is none.")]
    cancelled_by: AskedBy | None


def shown(command: Command) -> AskedCommand:
    """Return a command as it is answered."""
    feedback = command.feedback
    return AskedCommand(
        id=command.id, robot_id=command.robot_id, name=command.name, state=command.state,
        message=command.message, body=command.body, by=_by(command.by), to=_to(command.target),
        asked=command.asked_ns, ended=command.ended_ns,
        feedback=Feedback(time=feedback[0], data=feedback[1]) if feedback else None,
        result=command.result,
        cancelled_by=_by(command.cancelled_by) if command.cancelled_by else None,
    )


def answered(command: Command, response: Response) -> AskedCommand | Response:
    """
    Return the answer to who asked: 200 where it is done, 202 where it runs, or a problem.

    A problem has the command beside its ``detail``.
    """
    place = f'/robots/{quote(command.robot_id, safe="")}/commands/{command.id}'
    found = shown(command)
    if command.error is not None:
        told = problem(command.error, command=found.model_dump(mode='json'))
        told.headers['Location'] = place
        return told
    response.headers['Location'] = place
    if command.ended_ns is None:
        response.status_code = status.HTTP_202_ACCEPTED
    return found


def _by(asker: Asker) -> AskedBy:
    return AskedBy(**asker._asdict())


def _to(target: Target) -> SentTo:
    return SentTo(**target._asdict())
