"""
Replay sessions over HTTP, for pages and scripts.

Answers have the form that FastAPI gives them: ``detail`` is a sentence, or, where a field is
wrong (422), a list with ``loc`` and ``msg``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web

from twinsight_bridge.playback.errors import (
    NoSessionError,
    QueryError,
    SessionConflictError,
    SessionEndedError,
    SessionLimitError,
)
from twinsight_bridge.playback.session_query import rate_from, time_from
from twinsight_bridge.playback.sessions import Sessions
from twinsight_store.errors import (
    NothingMatchedError,
    StoreRefusedError,
    StoreUnavailableError,
    TwinsightError,
)

_STATUS: dict[type[TwinsightError], HTTPStatus] = {
    NoSessionError: HTTPStatus.NOT_FOUND,
    NothingMatchedError: HTTPStatus.NOT_FOUND,
    SessionConflictError: HTTPStatus.CONFLICT,
    SessionEndedError: HTTPStatus.GONE,
    SessionLimitError: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreRefusedError: HTTPStatus.BAD_GATEWAY,
}
_RETRY_AFTER_S = 5
_ORDERS = ('command', 'seek', 'rate')
_PLAY = {'play': True, 'pause': False}


def add_session_routes(app: web.Application, sessions: Sessions) -> None:
    """Add ``/sessions`` and what is below it to an application."""
    served = _Routes(sessions)
    app.router.add_get('/sessions', served.list_all)
    app.router.add_post('/sessions', served.open_one)
    app.router.add_get('/sessions/{id}', served.show)
    app.router.add_delete('/sessions/{id}', served.close)
    app.router.add_post('/sessions/{id}/control', served.control)


def problem(error: TwinsightError, place: str = 'query') -> web.Response:
    """Return what an error is answered with; ``place`` is where the fields of the request are."""
    if isinstance(error, QueryError):
        detail = [{'type': 'value_error', 'loc': [place, error.field], 'msg': error.message}]
        return web.json_response({'detail': detail}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    found = (status for kind, status in _STATUS.items() if isinstance(error, kind))
    status = next(found, HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers['Retry-After'] = str(_RETRY_AFTER_S)
    return web.json_response({'detail': str(error)}, status=status, headers=headers)


class _Routes:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def list_all(self, request: web.Request) -> web.Response:
        return web.json_response({'sessions': self._sessions.describe()})

    async def open_one(self, request: web.Request) -> web.Response:
        try:
            session = await self._sessions.open(_as_query(await _body(request)))
        except TwinsightError as error:
            return problem(error, 'body')
        return web.json_response(session.describe(), status=HTTPStatus.CREATED)

    async def show(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self._sessions.get(request.match_info['id']).describe())
        except TwinsightError as error:
            return problem(error)

    async def close(self, request: web.Request) -> web.Response:
        try:
            await self._sessions.close(request.match_info['id'])
        except TwinsightError as error:
            return problem(error)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def control(self, request: web.Request) -> web.Response:
        try:
            order = _order(await _body(request))
            return web.json_response(
                await self._sessions.control(request.match_info['id'], **order)
            )
        except TwinsightError as error:
            return problem(error, 'body')


async def _body(request: web.Request) -> Mapping[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise QueryError('', 'accepted is a JSON object')
    return body


def _as_query(body: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return a JSON object as the query that means the same."""
    query: dict[str, list[str]] = {}
    for name, value in body.items():
        if isinstance(value, dict) and name == 'label':
            value = [f'{key}={each}' for key, each in value.items()]
        values = value if isinstance(value, list) else [value]
        if value is not None:
            query[name] = [_text(name, each) for each in values]
    return query


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, (str, int, float)):
        return str(value)
    raise QueryError(name, f'{value!r}: accepted are texts, numbers, true and false')


def _order(body: Mapping[str, Any]) -> dict[str, Any]:
    _check_fields(body, _ORDERS)
    order: dict[str, Any] = {}
    if 'command' in body:
        if body['command'] not in _PLAY:
            raise QueryError('command', f'{body["command"]!r}: accepted are play and pause')
        order['play'] = _PLAY[body['command']]
    if 'seek' in body:
        order['seek_ns'] = time_from('seek', _text('seek', body['seek']))
    if 'rate' in body:
        order['rate'] = rate_from(_text('rate', body['rate']))
    return order


def _check_fields(body: Mapping[str, Any], accepted: Sequence[str]) -> None:
    for name in body:
        if name not in accepted:
            raise QueryError(name, f'unknown; accepted are {", ".join(accepted)}')
    if not body:
        raise QueryError('command', f'accepted is one of {", ".join(accepted)}, or several')
