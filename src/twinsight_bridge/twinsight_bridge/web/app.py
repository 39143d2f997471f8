"""The application: what is asked over HTTP, and who answers it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from twinsight_bridge.commands.acting_settings import ActingSettings
from twinsight_bridge.remote_file import routes as remote_file
from twinsight_bridge.remote_file.remote_files import opened_files
from twinsight_bridge.web import (
    acting,
    coverage,
    events,
    health,
    live,
    metric_names,
    metrics,
    missions,
    record_content,
    records,
    robots,
    topics,
)
from twinsight_bridge.web.errors import add_error_handlers
from twinsight_bridge.web.known_parameters import refuse_unknown_parameters
from twinsight_bridge.web.live_hub import LiveHub
from twinsight_bridge.web.middleware import BodyLimit, NoSniff
from twinsight_bridge.web.page import routes as page
from twinsight_bridge.web.stores import opened, StoreAddresses

BODY_BYTES = 1_000_000

_DESCRIPTION = """\
What robots do now, and what was recorded of them.

**Selecting.** `robot`, `mission`, `sensor`, `topic`, `from`, `to` and `label` mean the same
everywhere, here and on the command line; what is left out selects everything, several values of
one parameter are alternatives.

**Times** in answers are ISO 8601 in UTC with nanoseconds, and may be given back as they are.
Durations are in seconds, sizes in bytes, metrics in the unit that they name.

**Errors** are JSON: `{"detail": "one sentence"}`; a parameter that is not accepted is answered
with 422 and named, a store that is away with 503 and `Retry-After`.
"""
_TAGS = [
    {'name': 'robots', 'description': 'Who is there, and how they are.'},
    {'name': 'live', 'description': live.DESCRIPTION},
    {'name': 'missions', 'description': 'What they did, and when.'},
    {'name': 'records', 'description': 'Messages as they were recorded.'},
    {'name': 'metrics', 'description': 'Numbers and texts over time.'},
    {'name': 'events', 'description': 'Alerts, anomalies, commands.'},
    {'name': 'files', 'description': 'Selections as MCAP files, for viewers.'},
    *acting.TAGS,
    {'name': 'server', 'description': 'This server itself.'},
]
_PARTS = (
    robots, live, missions, topics, coverage, records, record_content, metrics, metric_names,
    events, remote_file, health, page,
)
_EXPOSED = (
    'Accept-Ranges', 'Content-Range', 'Content-Length', 'Content-Location', 'ETag', 'Location',
    'Retry-After',
    *record_content.EXPOSED,
)


@dataclass(frozen=True)
class ApiSettings:
    """
    What the server is told.

    addresses      where the stores are
    origins        web pages that may read the answers, as https://HOST:PORT; * for all
    acting         what it may have robots, recorders and replays do
    acting_file    where that is written, for errors
    ros_arguments  for its node
    """

    addresses: StoreAddresses
    origins: tuple[str, ...] = ('*',)
    acting: ActingSettings = ActingSettings()
    acting_file: str = 'configuration'
    ros_arguments: tuple[str, ...] = ()


def create_app(settings: ApiSettings) -> FastAPI:
    """Return the application; it opens the stores when it is started, and closes them after."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings.addresses) as stores, opened_files(stores) as files:
            app.state.stores = stores
            app.state.remote_files = files
            app.state.live_hub = LiveHub(stores)
            async with acting.opened(app, stores):
                yield
            await app.state.live_hub.close()

    app = FastAPIOffline(
        title='TwinSight', version='0.1.0', description=_DESCRIPTION, openapi_tags=_TAGS,
        lifespan=lifespan, redoc_url=None, dependencies=[Depends(refuse_unknown_parameters)],
    )
    app.state.settings = settings
    for part in _PARTS:
        app.include_router(part.router)
    acting.mount(
        app, settings.acting, settings.acting_file, ros_arguments=settings.ros_arguments
    )
    add_error_handlers(app)
    app.add_middleware(BodyLimit, most_bytes=BODY_BYTES)
    app.add_middleware(
        CORSMiddleware, allow_origins=settings.origins, allow_headers=['*'],
        allow_methods=['GET', 'HEAD', 'POST', 'DELETE'], expose_headers=_EXPOSED,
    )
    app.add_middleware(NoSniff)
    return app
