"""What a command that was not done is over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from twinsight_bridge.commands.errors import (
    BodyError,
    CommandError,
    FailedError,
    KeyReusedError,
    NoAnswerError,
    NobodyThereError,
    NotMappedError,
    RefusedError,
    TooManyError,
    UnknownNameError,
)
from twinsight_bridge.web.errors import Problem, RETRY_AFTER_S

_STATUS: dict[type[CommandError], int] = {
    UnknownNameError: 404,
    RefusedError: 409,
    NotMappedError: 501,
    FailedError: 502,
    NobodyThereError: 503,
    TooManyError: 503,
    NoAnswerError: 504,
}

RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {'model': Problem, 'description': 'No such robot, command or recorder.'},
    409: {'model': Problem, 'description': 'The robot refuses, or it does not fit its state.'},
    501: {'model': Problem, 'description': 'The configuration does not map it to anything.'},
    502: {'model': Problem, 'description': 'The robot began and failed.'},
    503: {
        'model': Problem, 'description': 'Nobody is there to do it; surely nothing was done.',
    },
    504: {
        'model': Problem, 'description': 'No answer in time; it may have been done all the same.',
    },
}
"""What an endpoint that has something done may answer, besides success."""


def status_of(error: CommandError) -> int:
    """Return the status that a command is answered with."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def problem(error: CommandError, **besides: Any) -> JSONResponse:
    """Return what an error is answered with."""
    status = status_of(error)
    headers = {'Retry-After': str(RETRY_AFTER_S)} if status == 503 else None
    return JSONResponse({'detail': str(error), **besides}, status, headers)


def add_command_handlers(app: FastAPI) -> None:
    """Have an application answer errors of commands as JSON."""

    async def of_the_command(request: Request, error: Exception) -> Response:
        assert isinstance(error, CommandError)
        return problem(error)

    async def of_the_body(request: Request, error: Exception) -> Response:
        assert isinstance(error, BodyError)
        return await _unprocessable(request, [
            {'type': 'value_error', 'loc': ('body', *each.place), 'msg': each.message}
            for each in error.problems
        ])

    async def of_the_key(request: Request, error: Exception) -> Response:
        return await _unprocessable(request, [
            {'type': 'value_error', 'loc': ('header', 'Idempotency-Key'), 'msg': str(error)}
        ])

    app.add_exception_handler(CommandError, of_the_command)
    app.add_exception_handler(BodyError, of_the_body)
    app.add_exception_handler(KeyReusedError, of_the_key)


async def _unprocessable(request: Request, details: list[dict[str, Any]]) -> Response:
    """Answer as for any other field of a request that is wrong."""
    handler = request.app.exception_handlers[RequestValidationError]
    answer: Response = await handler(request, RequestValidationError(details))
    return answer
