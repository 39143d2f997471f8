"""Opening the timeline of a selection: from which stores, and of which runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, AsyncExitStack
from dataclasses import dataclass, replace
from enum import Enum
from operator import itemgetter

from twinsight_store.catalog import Catalog
from twinsight_store.connection import connect, Connection, StoreSettings
from twinsight_store.errors import NothingMatchedError, RecordError
from twinsight_store.history.database import Database
from twinsight_store.history.event_source import EventSource
from twinsight_store.history.metric_source import MetricSource
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.record_source import log_bad_record, OnBadRecord, RecordSource
from twinsight_store.runs import find_runs, Run
from twinsight_store.selection import Selection
from twinsight_store.shifted import Shifted
from twinsight_store.source import first_ns, Source
from twinsight_store.timeline import Timeline

_KINDS = (RecordSource, MetricSource, EventSource)
_MOST_TOPICS = 20


class Align(Enum):
    """
    How several runs lie on one timeline.

    TIME   each message at the time at which it was recorded
    START  all runs begin when the first one began
    """

    TIME = 'time'
    START = 'start'


@dataclass(frozen=True)
class TimelineSettings:
    """
    What a timeline is read from.

    records        where the records are
    history        where metrics and events are; None leaves them out
    align          how several runs lie on it
    on_bad_record  is called for each record that cannot be read; reading goes on
    """

    records: StoreSettings
    history: PostgresSettings | None = None
    align: Align = Align.TIME
    on_bad_record: OnBadRecord = log_bad_record


@asynccontextmanager
async def open_timeline(
    selection: Selection, settings: TimelineSettings
) -> AsyncIterator[Timeline]:
    """
    Open a selection's timeline; its connections are closed with the block.

    With Align.START a run is one mission of one robot: its records, metrics and events together.
    It begins with its first selected message, and is moved as a whole, so that all runs begin
    when the earliest one did. What is selected is selected before that: from_ns and to_ns are
    times of recording. Runs without selected messages are left out, and so are messages that
    belong to no mission. The order of the runs, which is that of their messages of one time and
    that of ``shifts``, is by begin, robot and mission.

    Raises NothingMatchedError, which says what there is, StoreUnavailableError,
    StoreRefusedError, ConfigurationError.
    """
    async with AsyncExitStack() as opened:
        connection = await opened.enter_async_context(connect(settings.records))
        history = None
        if settings.history:
            history = await Database.open(settings.history, 'twinsight timeline')
            opened.push_async_callback(history.aclose)
        opener = _Opener(settings, connection, history)
        if settings.align is Align.START:
            timeline = await opener.aligned(selection)
        else:
            timeline = await opener.recorded(selection)
        opener.reporting = True
        yield timeline


class _Opener:
    """
    Opens sources; those of the history share one connection, however many there are.

    reporting  whether bad records are told of: what is read while opening is read again
    """

    def __init__(
        self, settings: TimelineSettings, connection: Connection, history: Database | None
    ) -> None:
        self.reporting = False
        self._on_bad_record = settings.on_bad_record
        self._connection = connection
        self._history = history

    async def recorded(self, selection: Selection) -> Timeline:
        """Return the timeline of a selection as it was recorded."""
        timeline = Timeline(await self._sources(selection))
        # A span alone may be that of a chunk which reaches over the selected time.
        if await first_ns(timeline) is None:
            raise await self._nothing(selection)
        return timeline

    async def aligned(self, selection: Selection) -> Timeline:
        """Return the timeline of the selected runs, each moved to the begin of the first."""
        runs: list[tuple[int, Run, list[Source]]] = []
        for run in await find_runs(self._connection, self._history, selection):
            robot_id, mission_id = run
            sources = await self._sources(
                replace(selection, robots=(robot_id,), missions=(mission_id,))
            )
            begin_ns = await first_ns(Timeline(sources))
            if begin_ns is not None:
                runs.append((begin_ns, run, sources))
        if not runs:
            raise await self._nothing(selection)
        runs.sort(key=itemgetter(0))  # stable, so those of one begin stay by robot and mission
        shifts = {run: runs[0][0] - begin_ns for begin_ns, run, _ in runs}
        moved = [
            Shifted(source, shifts[run], run[1]) for _, run, sources in runs for source in sources
        ]
        moved.sort(key=lambda each: _KINDS.index(type(each.source)))
        return Timeline(moved, shifts)

    async def _sources(self, selection: Selection) -> list[Source]:
        """Open what a selection has: records, metrics, events; in this order."""
        sources: list[Source] = []
        try:
            sources.append(await RecordSource.open(self._connection, selection, self._report))
        except NothingMatchedError:  # no bucket
            if not self._history:
                raise
        if self._history:
            for kind in (MetricSource, EventSource):
                source = await kind.open(self._history, selection)
                if await source.span() is not None:
                    sources.append(source)
        return sources

    async def _nothing(self, selection: Selection) -> NothingMatchedError:
        """Return the error for a selection without messages, which says what there is."""
        try:
            error = await Catalog(self._connection).nothing(selection)
        except NothingMatchedError as no_bucket:
            error = no_bucket
        if not (self._history and selection.topics):
            return error
        there = await self._sources(replace(selection, topics=()))
        topics = sorted({
            channel.topic for source in there if not isinstance(source, RecordSource)
            for _, channel in source.channels
        })
        if not topics:
            return error
        if len(topics) > _MOST_TOPICS:
            topics[_MOST_TOPICS:] = [f'{len(topics) - _MOST_TOPICS} more']
        return NothingMatchedError(f'{error}; in the history topics {", ".join(topics)}')

    def _report(self, error: RecordError) -> None:
        if self.reporting:
            self._on_bad_record(error)
