"""Lists page by page: a limit, a cursor, and the link to the next page."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request
from pydantic import BaseModel, Field

from twinsight_bridge.web.moments import unix_seconds
from twinsight_bridge.web.query_errors import query_error
from twinsight_store.selection import Selection

MOST = 1000

T = TypeVar('T')

Cursor = Annotated[
    str | None, Query(description='Where the page begins: part of `next` of the page before.')
]
NextLink = Annotated[
    str | None,
    Field(description='Path and query of the next page; null on the last one.'),
]
Note = Annotated[
    str | None, Field(description='Where nothing was found: what there is instead.')
]


class Page(BaseModel):
    """One page of a list."""

    next: NextLink = None  # noqa: A003
    note: Note = None


def cursor_of(*values: int | str) -> str:
    """Return the text of a cursor; cursor_values() reads it."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip('=')


def cursor_values(cursor: str, *kinds: type) -> list[Any]:
    """Return what a cursor is made of; raise RequestValidationError where it is none of ours."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + '=' * (-len(cursor) % 4)))
        if [type(value) for value in values] == list(kinds):
            return list(values)
    except (binascii.Error, ValueError, TypeError):
        pass
    raise query_error('cursor', 'cursor: accepted is what `next` of a page has', cursor)


def next_link(request: Request, selection: Selection, cursor: str) -> str:
    """
    Return path and query of the next page.

    Times that count from now become the times that they were: all pages are of one selection.
    """
    fixed = {
        name: unix_seconds(time_ns)
        for name, time_ns in (('from', selection.from_ns), ('to', selection.to_ns))
        if time_ns is not None
    }
    given = [
        (name, fixed.get(name, value))
        for name, value in request.query_params.multi_items() if name != 'cursor'
    ]
    return f'{request.url.path}?{urlencode([*given, ("cursor", cursor)])}'
