"""GET /health: whether the stores answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import closing
from dataclasses import replace
import time
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from twinsight_bridge.web.stores import StoreNotSetError, Stores, StoresOfApp
from twinsight_store.errors import TwinsightError
from twinsight_store.history.postgres import connect as connect_postgres
from twinsight_store.history.postgres import postgres_errors, PostgresSettings
from twinsight_store.live.connection import connect as connect_redis
from twinsight_store.live.connection import redis_errors, RedisSettings

_PATIENCE_S = 3.0

router = APIRouter(tags=['server'])


class StoreHealth(BaseModel):
    """How one store answers."""

    store: Annotated[str, Field(examples=['ReductStore'])]
    state: Annotated[
        Literal['ok', 'away', 'not set'],
        Field(description='not set: the server was started without its address.'),
    ]
    seconds: Annotated[float | None, Field(description='How long the answer took.')] = None
    problem: Annotated[str | None, Field(description='Why it is not ok, and what to do.')] = None


class Health(BaseModel):
    """Whether the server can do its work."""

    status: Annotated[
        Literal['ok', 'degraded'], Field(description='ok: all stores whose address is set answer.')
    ]
    stores: list[StoreHealth]


@router.get('/health', responses={503: {'model': Health, 'description': 'A store is away.'}})
async def health(stores: StoresOfApp, response: Response) -> Health:
    """Tell how each store answers: 200 where all that are set do, 503 where one is away."""
    answers = await asyncio.gather(
        _asked('ReductStore', _ask_records(stores)),
        _asked('PostgreSQL', stores.ask_history(_ask_postgres)),
        _asked('Redis', stores.ask_live(_ask_redis)),
    )
    away = any(answer.state == 'away' for answer in answers)
    response.headers['Cache-Control'] = 'no-store'
    if away:
        response.status_code = 503
        response.headers['Retry-After'] = '5'
    return Health(status='degraded' if away else 'ok', stores=list(answers))


async def _asked(store: str, question: Awaitable[None]) -> StoreHealth:
    started_s = time.monotonic()
    try:
        await asyncio.wait_for(question, 2 * _PATIENCE_S)
    except StoreNotSetError as error:
        return StoreHealth(store=store, state='not set', problem=str(error))
    except TwinsightError as error:
        return StoreHealth(store=store, state='away', problem=str(error))
    except asyncio.TimeoutError:
        text = f'{store} did not answer in {2 * _PATIENCE_S:g} s'
        return StoreHealth(store=store, state='away', problem=text)
    return StoreHealth(store=store, state='ok', seconds=round(time.monotonic() - started_s, 4))


async def _ask_records(stores: Stores) -> None:
    await stores.records.request('GET', '/list')


def _ask_postgres(settings: PostgresSettings) -> None:
    settings = replace(settings, timeout_s=_PATIENCE_S)
    opened = closing(connect_postgres(settings, 'twinsight health'))
    with opened as connection, postgres_errors(settings):
        connection.execute('SELECT 1')


def _ask_redis(settings: RedisSettings) -> None:
    settings = replace(settings, timeout_s=_PATIENCE_S)
    with redis_errors(settings), closing(connect_redis(settings, 'twinsight-health')) as client:
        client.ping()
