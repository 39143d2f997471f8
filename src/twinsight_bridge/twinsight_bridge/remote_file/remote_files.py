"""The files of all selections: planned when they are opened, and the plans kept for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
import time

from twinsight_bridge.remote_file.file_plan import FilePlan, make_plan
from twinsight_bridge.remote_file.file_reader import FileChangedError, read_file
from twinsight_bridge.remote_file.file_sources import FileSources
from twinsight_bridge.remote_file.settings import FileSettings
from twinsight_bridge.web.stores import Stores
from twinsight_bridge.web.turns import Turns
from twinsight_store.history.database import Database
from twinsight_store.selection import Selection


@dataclass
class _Kept:
    """
    What is known of a file.

    plan   None where the data changed under it
    whole  all messages have to be read to plan it: there are some that cannot be read
    """

    plan: FilePlan | None
    whole: bool
    used_s: float


@dataclass
class _Making:
    """A plan that is being made, and how many wait for it."""

    task: asyncio.Task[FilePlan]
    waiting: int = 0


class RemoteFiles:
    """
    Plans and reads files; one for a server, made by opened_files().

    A file has a name, which stands for its selection as somebody asked for it. Who opens a file
    sees what there is now. Who reads on in it gets what was opened last under that name, even if
    the store has more by now: the places of its bytes are of that file.
    """

    def __init__(
        self, stores: Stores, database: Database | None, settings: FileSettings
    ) -> None:
        self._stores = stores
        self._database = database
        self._settings = settings
        self._kept: dict[str, _Kept] = {}  # the last used one last
        self._making: dict[str, _Making] = {}
        self._makers = Turns('ReductStore', settings.making, settings.waiting)
        self._readers = Turns('ReductStore', settings.reading, settings.waiting)

    async def opened(self, name: str, selection: Selection) -> FilePlan:
        """
        Return the plan of a file as it is now; who asks at once shares one.

        Raises NothingMatchedError, StoreUnavailableError, StoreRefusedError, ConfigurationError,
        RecordError.
        """
        making = self._making.get(name)
        if making is None:
            making = _Making(asyncio.ensure_future(self._made(name, selection)))
            self._making[name] = making
        making.waiting += 1
        try:
            return await asyncio.shield(making.task)
        finally:
            making.waiting -= 1
            if not making.waiting:
                making.task.cancel()
            if (making.task.done() or not making.waiting) and self._making.get(name) is making:
                del self._making[name]

    async def read_on(self, name: str, selection: Selection) -> FilePlan:
        """
        Return the plan of a file that was opened before; open it where it is not kept any more.

        Raises what opened() does; FileChangedError where the data changed under it since.
        """
        kept = self._kept.get(name)
        if kept is None:
            return await self.opened(name, selection)
        if kept.plan is None:
            raise FileChangedError(
                f'{selection.describe()}: the data changed since the file was opened: '
                'open it again', False,
            )
        self._keep(name, kept.plan, kept.whole)
        return kept.plan

    async def read(
        self, name: str, plan: FilePlan, start: int, stop: int
    ) -> AsyncGenerator[bytes, None]:
        """Give the bytes of a file as read_file() does, when it is its turn."""
        async with self._readers.turn():
            try:
                async with aclosing(read_file(plan, start, stop)) as pieces:
                    async for piece in pieces:
                        yield piece
            except FileChangedError as error:
                self._forget(name, plan, error.unreadable)
                raise

    async def aclose(self) -> None:
        """End what is being made."""
        tasks = [making.task for making in self._making.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _made(self, name: str, selection: Selection) -> FilePlan:
        async with self._makers.turn():
            sources = await FileSources.open(self._stores.records, self._database, selection)
            kept = self._kept.get(name)
            plan, whole = (kept.plan, kept.whole) if kept else (None, False)
            if plan is None or not await plan.sources.still_true(
                sources, self._settings.trusted_s
            ):
                plan = await make_plan(sources, self._settings, whole)
        self._keep(name, plan, whole)
        return plan

    def _keep(self, name: str, plan: FilePlan | None, whole: bool) -> None:
        """Remember a plan as the last used one, and forget others where they are too many."""
        now_s = time.monotonic()
        self._kept.pop(name, None)
        self._kept[name] = _Kept(plan, whole, now_s)
        settings = self._settings
        size = sum(each.plan.size_bytes for each in self._kept.values() if each.plan)
        for old, each in list(self._kept.items())[:-1]:
            if (
                len(self._kept) <= settings.kept_plans and size <= settings.kept_bytes
                and now_s - each.used_s <= settings.kept_s
            ):
                break
            size -= each.plan.size_bytes if each.plan else 0
            del self._kept[old]

    def _forget(self, name: str, plan: FilePlan, unreadable: bool) -> None:
        """Forget a plan that proved wrong, but not that there was one."""
        kept = self._kept.get(name)
        if kept is not None and kept.plan is plan:
            self._keep(name, None, kept.whole or unreadable)


@asynccontextmanager
async def opened_files(
    stores: Stores, settings: FileSettings | None = None
) -> AsyncIterator[RemoteFiles]:
    """Give the files of a server's stores, until the block ends; nothing is asked of them yet."""
    history = stores.addresses.history
    database = Database(history, 'twinsight api') if history else None
    files = RemoteFiles(stores, database, settings or FileSettings())
    try:
        yield files
    finally:
        await files.aclose()
        if database is not None:
            await database.aclose()
