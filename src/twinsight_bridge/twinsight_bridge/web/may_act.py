"""Who may have something done, and who they are: the dependency of all acting endpoints."""

from __future__ import annotations

import secrets
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from fastapi import Depends, Header, HTTPException, Request, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from twinsight_bridge.commands.command import Asker
from twinsight_bridge.web.errors import Problem

TOKEN_VARIABLE = 'TWINSIGHT_API_TOKEN'  # noqa: S105

_LONGEST_NAME = 100

_bearer = HTTPBearer(
    auto_error=False, description=f'Needed where the server was started with {TOKEN_VARIABLE}.'
)

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {'model': Problem, 'description': 'The server has a token, and this is not it.'},
    403: {'model': Problem, 'description': 'A web page of another server asks, without a token.'},
}
"""What any acting endpoint may answer."""


def may_act(
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    x_operator: Annotated[
        str, Header(
            description='Who asks, for the record; percent-encoded where it is no ASCII.',
            examples=['anna'],
        )
    ] = '',
) -> Asker:
    """
    Return who asks.

    Raises HTTPException 401 where the token is not there or wrong, and 403 where a browser asks
    on behalf of a page of another server: whatever page an operator looks at could move robots.
    """
    token: str = request.app.state.api_token
    if token:
        _check_token(token, given.credentials if given else '')
    else:
        _check_origin(request)
    name = ''.join(each for each in unquote(x_operator) if each.isprintable()).strip()
    return Asker(
        name[:_LONGEST_NAME], request.client.host if request.client else '', bool(token)
    )


MayAct = Annotated[Asker, Depends(may_act)]
"""The dependency of an endpoint that has something done; it gives who asks."""


def _check_token(token: str, given: str) -> None:
    if secrets.compare_digest(given.encode(), token.encode()):
        return
    asked = 'Bearer error="invalid_token"' if given else 'Bearer'
    told = (
        f'the token is not the one of {TOKEN_VARIABLE}' if given
        else f'this needs the token of {TOKEN_VARIABLE}: send "Authorization: Bearer TOKEN"'
    )
    raise HTTPException(status.HTTP_401_UNAUTHORIZED, told, {'WWW-Authenticate': asked})


def _check_origin(request: Request) -> None:
    origin = request.headers.get('origin')
    if origin is None or urlsplit(origin).netloc == request.headers.get('host'):
        return
    if origin in request.app.state.settings.origins:
        return
    raise HTTPException(
        status.HTTP_403_FORBIDDEN,
        f'a page of {origin} may not have anything done here: name it in --allow-origin, or '
        f'start the server with {TOKEN_VARIABLE}',
    )
