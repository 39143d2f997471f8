"""Recorders: GET /recorders, and what is below POST /robots/{robot_id}/recorder."""

from __future__ import annotations

from collections.abc import Mapping
import re
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from twinsight_bridge.commands.commands import Commands
from twinsight_bridge.commands.errors import NotMappedError
from twinsight_bridge.commands.recorders import Recorders, Seen
from twinsight_bridge.commands.ros_json import ros_json
from twinsight_bridge.web.asked_command import answered, AskedCommand, IdempotencyKey
from twinsight_bridge.web.command_problems import RESPONSES
from twinsight_bridge.web.may_act import MayAct, REFUSALS
from twinsight_bridge.web.moments import Moment
from twinsight_bridge.web.selection_query import Robots

DESCRIPTION = """\
What the recorders of robots do, and having them do something else. The recorder's answer is
`result`; where it refuses, 409 says why.
"""

router = APIRouter(tags=['recorders'], responses={501: RESPONSES[501]})

_MODES = {0: 'stopped', 1: 'recording', 2: 'paused', 3: 'snapshot'}
_STORES = {0: 'waiting', 1: 'ok', 2: 'refusing'}


def _recorders(request: Request) -> Recorders:
    recorders: Recorders | None = request.app.state.acting.recorders
    if recorders is None:
        raise NotMappedError(
            'recorder control is off: set recorder_control in the configuration of the server'
        )
    return recorders


RecordersOfApp = Annotated[Recorders, Depends(_recorders)]


class _Recorder:
    """A robot's recorder, and who asks it."""

    def __init__(
        self, robot_id: str, request: Request, by: MayAct, recorders: RecordersOfApp,
        response: Response,
        node: Annotated[
            str, Query(description="The recorder's node, where a robot has several of them.")
        ] = '',
        key: IdempotencyKey = '',
    ) -> None:
        self._robot_id, self._node, self._recorders = robot_id, node, recorders
        self._by, self._key, self._response = by, key, response
        self._commands: Commands = request.app.state.acting.commands

    async def ask(self, action: str, fields: Mapping[str, Any]) -> AskedCommand | Response:
        """Return the answer to who has it do something."""
        order = await self._recorders.order(self._robot_id, action, fields, self._node)
        return answered(await self._commands.do(order, self._by, self._key), self._response)


TheRecorder = Annotated[_Recorder, Depends(_Recorder)]


class Recorder(BaseModel):
    """What a recorder does."""

    node: Annotated[str, Field(examples=['/robot_05/recorder'])]
    robot_id: str
    mission_id: str
    mode: Annotated[str, Field(description=f'One of {", ".join(_MODES.values())}.')]
    store: Annotated[str, Field(description=f'One of {", ".join(_STORES.values())}.')]
    online: Annotated[bool, Field(description='It tells its state once a second.')]
    seen: Annotated[Moment, Field(description="By the server's clock.")]
    age_s: float
    status: Annotated[
        dict[str, Any], Field(description='All of twinsight_interfaces/msg/RecorderStatus.')
    ]


class RecorderList(BaseModel):
    """The recorders that were seen lately."""

    recorders: list[Recorder]


class _Asked(BaseModel):
    model_config = ConfigDict(extra='forbid', allow_inf_nan=False)


MissionId = Annotated[
    str, Field(max_length=200, description='Empty: a new one, of date and time.')
]


class OfMission(_Asked):
    """A mission to record."""

    mission_id: MissionId = ''


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'no regular expression ({error})') from error
    return text


class OfTopics(_Asked):
    """Topics."""

    topics: Annotated[
        list[Annotated[str, AfterValidator(_pattern)]],
        Field(
            min_length=1, max_length=1000, examples=[['/scan', '/camera/.*']],
            description='Names, or regular expressions that match whole names.',
        ),
    ]


class OfSnapshot(_Asked):
    """A span around now."""

    before_s: Annotated[
        float, Field(ge=0, description='Seconds of the past; 0 for all that is kept.')
    ] = 0.0
    after_s: Annotated[float, Field(ge=0, description='Seconds of the time that comes.')] = 0.0


@router.get('/recorders')
async def list_recorders(recorders: RecordersOfApp, robot: Robots = ()) -> RecorderList:
    """List the recorders that were seen in the last ten minutes, and what each told last."""
    return RecorderList(recorders=[_shown(each) for each in recorders.seen(robot)])


_acting = APIRouter(
    prefix='/robots/{robot_id}/recorder', responses={**RESPONSES, **REFUSALS},
)


@_acting.post('/start', response_model=AskedCommand)
async def start(recorder: TheRecorder, body: OfMission | None = None) -> AskedCommand | Response:
    """Record again after a stop."""
    return await recorder.ask('start', (body or OfMission()).model_dump())


@_acting.post('/set-mission', response_model=AskedCommand)
async def set_mission(
    recorder: TheRecorder, body: OfMission | None = None
) -> AskedCommand | Response:
    """Label what arrives from now on with another mission."""
    return await recorder.ask('set_mission', (body or OfMission()).model_dump())


@_acting.post('/add-topics', response_model=AskedCommand)
async def add_topics(recorder: TheRecorder, body: OfTopics) -> AskedCommand | Response:
    """Record more topics, until the recorder ends."""
    return await recorder.ask('add_topics', {'add': body.topics})


@_acting.post('/drop-topics', response_model=AskedCommand)
async def drop_topics(recorder: TheRecorder, body: OfTopics) -> AskedCommand | Response:
    """Record fewer topics, until the recorder ends."""
    return await recorder.ask('drop_topics', {'drop': body.topics})


@_acting.post('/snapshot', response_model=AskedCommand)
async def snapshot(
    recorder: TheRecorder, body: OfSnapshot | None = None
) -> AskedCommand | Response:
    """Store the last seconds that are kept in memory, where the recorder has mode snapshot."""
    return await recorder.ask('snapshot', (body or OfSnapshot()).model_dump())


@_acting.post('/{action}', response_model=AskedCommand)
async def do(
    recorder: TheRecorder, action: Literal['stop', 'pause', 'resume', 'split']
) -> AskedCommand | Response:
    """
    Stop, pause, resume, or begin the next part of the mission.

    A stop ends the subscriptions; what was received is stored. A pause leaves out what arrives.
    """
    return await recorder.ask(action, {})


router.include_router(_acting)


def _shown(seen: Seen) -> Recorder:
    status = seen.status
    return Recorder(
        node=seen.name, robot_id=status.robot_id, mission_id=status.mission_id,
        mode=_MODES.get(status.mode, str(status.mode)),
        store=_STORES.get(status.store, str(status.store)), online=seen.online,
        seen=seen.seen_ns, age_s=round((time.time_ns() - seen.seen_ns) / 1e9, 3),
        status=ros_json(status),
    )
