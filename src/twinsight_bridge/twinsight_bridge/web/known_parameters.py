"""Refusing query parameters that an endpoint does not have: a typing error selects everything."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from fastapi import status, WebSocketException
from fastapi.requests import HTTPConnection

from twinsight_bridge.web.query_errors import query_error


def refuse_unknown_parameters(connection: HTTPConnection) -> None:
    """Raise what becomes a 422 where a query has a parameter that its endpoint does not have."""
    route = connection.scope.get('route')
    known = sorted(set(_names(getattr(route, 'dependant', None))))
    for name, given in connection.query_params.multi_items():
        if name in known:
            continue
        near = get_close_matches(name, known, 1)
        message = f'{name} is not known here: accepted are {", ".join(known) or "none"}' + (
            f'; did you mean {near[0]}?' if near else ''
        )
        if connection.scope['type'] == 'websocket':
            raise WebSocketException(status.WS_1008_POLICY_VIOLATION, message)
        raise query_error(name, message, given)


def _names(dependant: Any) -> Iterator[str]:
    if dependant is not None:
        yield from (parameter.alias for parameter in dependant.query_params)
        for each in dependant.dependencies:
            yield from _names(each)
