"""Replay sessions: /replay/sessions. The bridge has them; this asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from fastapi import APIRouter, Depends, Request, Response, status
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from twinsight_bridge.commands.acting_settings import ActingSettings
from twinsight_bridge.playback.order import LEAST_RATE, MOST_RATE
from twinsight_bridge.web.bridge_client import Answer, BridgeClient, BridgeRefusedError
from twinsight_bridge.web.errors import NOT_FOUND, Problem, RESPONSES
from twinsight_bridge.web.foxglove_links import foxglove_links
from twinsight_bridge.web.may_act import MayAct, REFUSALS
from twinsight_bridge.web.moments import Moment
from twinsight_store.times import ACCEPTED

DESCRIPTION = """\
Recorded missions, played for whoever connects: `POST` begins a session and tells where viewers
connect, and links that open it in Foxglove. There it is played, paused and sought in, as here.
A session without a viewer ends after a while.
"""
_TIME = f'{ACCEPTED}; without a zone it is the local time of the bridge.'
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {'model': Problem, 'description': 'A session of that name plays something else.'},
}

router = APIRouter(prefix='/replay/sessions', tags=['replay'], responses={
    502: {'model': Problem, 'description': 'The bridge, or a store, refuses.'},
    503: RESPONSES[503] | {'description': 'The bridge, or a store, is away; or too many play.'},
})

Texts = str | list[str]
Rate = Annotated[
    float, Field(ge=LEAST_RATE, le=MOST_RATE, allow_inf_nan=False, description='2: twice as fast.')
]


class _Asked(BaseModel):
    model_config = ConfigDict(extra='forbid')


class NewSession(_Asked):
    """What is to be played; what is left out selects everything, several are alternatives."""

    robot: Annotated[Texts | None, Field(examples=['robot_01'])] = None
    mission: Texts | None = None
    sensor: Texts | None = None
    topic: Annotated[Texts | None, Field(examples=[['/scan', '/camera/*']])] = None
    from_: Annotated[
        str | float | None, Field(alias='from', description=f'Start: {_TIME}', examples=['-15m'])
    ] = None
    to: Annotated[str | float | None, Field(description=f'End: {_TIME}')] = None
    label: Annotated[
        dict[str, str] | Texts | None, Field(description='Name → value, or NAME=VALUE.')
    ] = None
    rate: Rate | None = None
    paused: Annotated[bool | None, Field(description='Wait for play.')] = None
    session: Annotated[
        str | None, Field(description='A name; the session of that name is joined.')
    ] = None


class SessionOrder(_Asked):
    """What a session is to do, one thing or several."""

    command: Literal['play', 'pause'] | None = None
    seek: Annotated[str | float | None, Field(description=f'Go there: {_TIME}')] = None
    rate: Rate | None = None


class SessionLinks(BaseModel):
    """Where a session is looked at."""

    ws_url: Annotated[str, Field(examples=['ws://robots:8765/replay?session=replay-1'])]
    foxglove: Annotated[str, Field(description='Opens it in Foxglove, in the browser.')]
    foxglove_desktop: Annotated[str, Field(description="Opens it in Foxglove's application.")]


class ReplaySession(BaseModel):
    """A session."""

    id: str
    text: Annotated[str, Field(description='What it plays, for people.')]
    selection: dict[str, Any]
    start: Annotated[Moment, Field(description='Of what is played, to within a chunk.')]
    end: Moment
    position: Annotated[Moment, Field(description='Where it is.')]
    state: Annotated[str, Field(examples=['playing'])]
    rate: float
    topics: int
    viewers: int
    links: SessionLinks


class SessionList(BaseModel):
    """All sessions of the bridge."""

    sessions: list[ReplaySession]


def _bridge(request: Request) -> BridgeClient:
    bridge: BridgeClient = request.app.state.acting.bridge
    return bridge


Bridge = Annotated[BridgeClient, Depends(_bridge)]


@router.get('', response_model=SessionList)
async def list_sessions(request: Request, bridge: Bridge) -> Any:
    """List the sessions that play."""
    answer = await bridge.ask('GET', '/sessions')
    if answer.status != 200:
        raise BridgeRefusedError(f'{bridge.url} is no bridge with replay sessions: '
                                 f'it answers {answer.status}; check bridge_url', 0)
    with_links = _WithLinks(request, bridge)
    return SessionList(sessions=[with_links(each) for each in answer.told['sessions']])


@router.post(
    '', status_code=status.HTTP_201_CREATED, response_model=ReplaySession,
    responses={**NOT_FOUND, **_CONFLICT, **REFUSALS},
)
async def begin(request: Request, by: MayAct, bridge: Bridge, body: NewSession) -> Any:
    """Begin a session, or join the one of that name."""
    given = body.model_dump(by_alias=True, exclude_none=True)
    return _session(await bridge.ask('POST', '/sessions', given), request, bridge)


@router.get('/{session_id}', response_model=ReplaySession, responses=NOT_FOUND)
async def show(session_id: str, request: Request, bridge: Bridge) -> Any:
    """Show what a session plays and where it is."""
    return _session(await bridge.ask('GET', _path(session_id)), request, bridge)


@router.delete(
    '/{session_id}', status_code=status.HTTP_204_NO_CONTENT, response_class=Response,
    responses={**NOT_FOUND, **REFUSALS},
)
async def end(session_id: str, by: MayAct, bridge: Bridge) -> Response:
    """End a session; its viewers are disconnected."""
    answer = await bridge.ask('DELETE', _path(session_id))
    return Response(status_code=204) if answer.status == 204 else _passed_on(answer)


@router.post(
    '/{session_id}/control', response_model=ReplaySession,
    responses={
        **NOT_FOUND, **REFUSALS, 410: {'model': Problem, 'description': 'It has just ended.'},
    },
)
async def control(
    session_id: str, request: Request, by: MayAct, bridge: Bridge, body: SessionOrder
) -> Any:
    """Play, pause, go to a time, change the speed."""
    given = body.model_dump(exclude_none=True)
    answer = await bridge.ask('POST', f'{_path(session_id)}/control', given)
    return _session(answer, request, bridge)


def _path(session_id: str) -> str:
    return f'/sessions/{quote(session_id, safe="")}'


def _session(answer: Answer, request: Request, bridge: BridgeClient) -> Any:
    if answer.status not in (200, 201):
        return _passed_on(answer)
    return _WithLinks(request, bridge)(answer.told)


def _passed_on(answer: Answer) -> JSONResponse:
    """Return what the bridge answers; it is in the form that this server has too."""
    headers = {'Retry-After': answer.retry_after} if answer.retry_after else None
    return JSONResponse(answer.told, answer.status, headers)


class _WithLinks:
    """Makes the answer of what the bridge tells of a session."""

    def __init__(self, request: Request, bridge: BridgeClient) -> None:
        settings: ActingSettings = request.app.state.acting.settings
        self._url = settings.viewer_url or viewer_url(bridge.url, request.url.hostname or '')
        self._bridge = bridge

    def __call__(self, told: Mapping[str, Any]) -> ReplaySession:
        """Return a session; raises BridgeRefusedError where that is none."""
        try:
            start_ns, end_ns = told['span_ns']
            return ReplaySession(
                start=start_ns, end=end_ns, position=told['position_ns'],
                links=self._links(told['id']),
                **{name: told[name] for name in (
                    'id', 'text', 'selection', 'state', 'rate', 'topics', 'viewers',
                )},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BridgeRefusedError(
                f'the bridge at {self._bridge.url} is of another version: a session of it has '
                f'no proper {error}', 0,
            ) from error

    def _links(self, session_id: str) -> SessionLinks:
        url = f'{self._url}/replay?session={quote(session_id, safe="")}'
        links = foxglove_links('foxglove-websocket', url)
        return SessionLinks(ws_url=url, foxglove=links.web, foxglove_desktop=links.desktop)


def viewer_url(bridge_url: str, asked_host: str) -> str:
    """
    Return where viewers reach the bridge, as ws://HOST:PORT.

    asked_host  the host that a request was sent to: a bridge on loopback is on the same machine
    """
    parts = urlsplit(bridge_url)
    host = parts.hostname or ''
    if asked_host and (host in ('localhost', '::1') or host.startswith('127.')):
        host = asked_host
    shown = f'[{host}]' if ':' in host else host
    port = f':{parts.port}' if parts.port else ''
    scheme = 'wss' if parts.scheme == 'https' else 'ws'
    return urlunsplit((scheme, f'{shown}{port}', parts.path, '', ''))
