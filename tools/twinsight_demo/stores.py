"""The demo's own stores, so that it neither finds nor leaves other data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, ExitStack
import os
from pathlib import Path

from rich.console import Console

from twinsight_store.connection import URL_VARIABLE as REDUCT
from twinsight_store.history.postgres import URL_VARIABLE as POSTGRES
from twinsight_store.live.connection import URL_VARIABLE as REDIS
from twinsight_tools import postgres, redis_server, reductstore
from twinsight_tools.launch import Program
from twinsight_tools.messages import ToolError
from twinsight_tools.private import PrivateServer

Running = Callable[[Program, Path], AbstractContextManager[PrivateServer]]


@contextmanager
def stores(folder: Path, console: Console, *, metrics: bool) -> Iterator[None]:
    """
    Run ReductStore, for metrics Redis and PostgreSQL too; their URLs are in the environment.

    Raises ToolError where one is not installed.
    """
    with ExitStack() as servers:
        def start(title: str, program: Program | None, running: Running, variable: str) -> None:
            if program is None:
                raise ToolError(f'{title} is not installed: run `make setup`')
            server = servers.enter_context(running(program, folder / title.lower()))
            os.environ[variable] = server.url
            address = server.url.rpartition('@')[2]
            console.print(f'{title} runs at {address} for the demo', highlight=False)

        start('ReductStore', reductstore.find(), reductstore.running, REDUCT)
        if metrics:
            start('Redis', redis_server.find(), redis_server.running, REDIS)
            start('PostgreSQL', postgres.find(), postgres.running, POSTGRES)
        yield
