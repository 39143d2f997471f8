"""What an error of the suite is over HTTP: a status, and JSON with one sentence."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from twinsight_bridge.web.query_errors import for_query, query_errors
from twinsight_bridge.web.streaming import ClientGoneError
from twinsight_store.errors import (
    ConfigurationError,
    NothingMatchedError,
    RecordError,
    StoreRefusedError,
    StoreUnavailableError,
    TwinsightError,
)

RETRY_AFTER_S = 5

_CLIENT_GONE = 499
_SENTENCES = {
    404: 'there is nothing at {path}: GET /docs shows what there is',
    405: '{path} does not take {method}: GET /docs shows what it takes',
}


class NotShownError(TwinsightError):
    """A record has no such form: a laser scan is no image."""


_STATUS: dict[type[TwinsightError], int] = {
    NothingMatchedError: 404,
    StoreUnavailableError: 503,
    StoreRefusedError: 502,
    RecordError: 502,
    NotShownError: 406,
}


class Problem(BaseModel):
    """Why a request failed."""

    detail: str = Field(description='What went wrong and what to do, in one sentence.')


RESPONSES: dict[int | str, dict[str, Any]] = {
    502: {'model': Problem, 'description': 'A store refuses, or a record cannot be read.'},
    503: {
        'model': Problem,
        'description': 'A store is away: `detail` names it. Ask again after `Retry-After` s.',
    },
}
"""What any endpoint that asks a store may answer."""

NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {'model': Problem, 'description': 'Nothing matches; `detail` says what there is.'},
}


def status_of(error: TwinsightError) -> int:
    """Return the status that an error is answered with."""
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            return status
    return 500


def add_error_handlers(app: FastAPI) -> None:
    """Have an application answer errors of the suite, and its own mistakes, as JSON."""
    app.add_exception_handler(TwinsightError, _of_the_suite)
    app.add_exception_handler(RequestValidationError, _of_the_query)
    app.add_exception_handler(HTTPException, _of_the_path)
    app.add_exception_handler(ClientGoneError, _of_nobody)
    app.add_exception_handler(Exception, _of_ours)


async def _of_the_suite(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TwinsightError)
    if isinstance(error, ConfigurationError):
        try:
            with query_errors():
                raise error
        except RequestValidationError as wrong:
            return await _of_the_query(request, wrong)
    status = status_of(error)
    headers = {'Retry-After': str(RETRY_AFTER_S)} if status == 503 else None
    return JSONResponse({'detail': for_query(str(error))}, status, headers)


async def _of_the_query(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    details = []
    for each in error.errors():
        kept = ['type', 'loc', 'msg']
        if each['loc'][0] != 'body':  # a body may hold what JSON cannot: NaN
            kept.append('input')
        details.append({name: each[name] for name in kept if name in each})
    return JSONResponse({'detail': jsonable_encoder(details)}, 422)


async def _of_the_path(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    text = str(error.detail)
    if text in ('Not Found', 'Method Not Allowed'):  # the framework's own words
        text = _SENTENCES[error.status_code].format(path=request.url.path, method=request.method)
    return JSONResponse({'detail': text}, error.status_code, error.headers)


async def _of_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)


async def _of_ours(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(
        {'detail': 'the server made a mistake here: its log says which one'}, 500,
        {'X-Content-Type-Options': 'nosniff'},  # this one comes from outside of all middleware
    )
