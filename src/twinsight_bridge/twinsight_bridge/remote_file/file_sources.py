"""What a file is made of: records, metrics and events of a selection at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import logging
import time

from twinsight_bridge.remote_file.history_snapshot import HistorySnapshot
from twinsight_bridge.remote_file.record_snapshot import RecordSnapshot
from twinsight_replay.bad_records import BadRecords
from twinsight_store.catalog import Catalog
from twinsight_store.connection import Connection
from twinsight_store.errors import NothingMatchedError
from twinsight_store.history.database import Database
from twinsight_store.history.event_source import EventSource
from twinsight_store.history.metric_source import MetricSource
from twinsight_store.selection import Selection
from twinsight_store.timeline import Timeline

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileSources:
    """
    The sources of a selection's messages, in the order that open_timeline() has.

    They are counted once, with counting(), and then read as often as one likes.

    bad       the records that cannot be read: each is logged once
    opened_s  when they were looked up, on the monotonic clock
    """

    connection: Connection
    selection: Selection
    records: RecordSnapshot | None
    history: Sequence[HistorySnapshot]
    bad: BadRecords
    opened_s: float

    @classmethod
    async def open(
        cls, connection: Connection, database: Database | None, selection: Selection
    ) -> FileSources:
        """
        Look up what there is of a selection.

        database  where metrics and events are; None leaves them out

        Raises NothingMatchedError where there is no bucket, StoreUnavailableError,
        StoreRefusedError, ConfigurationError.
        """
        opened_s = time.monotonic()
        bad = BadRecords(lambda text: _log.warning('%s', text))
        records = None
        try:
            records = await RecordSnapshot.open(connection, selection, bad.add)
        except NothingMatchedError:  # no bucket
            if database is None:
                raise
        history = []
        if database is not None:
            for kind in (MetricSource, EventSource):
                source = await kind.open(database, selection)
                if await source.span() is not None:
                    history.append(HistorySnapshot(source))
        return cls(connection, selection, records, tuple(history), bad, opened_s)

    @property
    def robots(self) -> list[str]:
        """Return the robots that may have messages."""
        return [robot_id for robot_id, _ in self.reading().channels]

    def counting(self, whole: bool) -> Timeline:
        """Return the timeline that finds out what there is; see RecordSnapshot."""
        records = [self.records.counting(whole)] if self.records else []
        return Timeline([*records, *self.history])

    def reading(self) -> Timeline:
        """Return a timeline of what was counted."""
        records = [self.records] if self.records else []
        return Timeline([*records, *self.history])

    async def still_true(self, now: FileSources, trusted_s: float) -> bool:
        """
        Tell whether what there is now is what there was.

        now        the same selection, looked up now; its times differ where they count from now
        trusted_s  what is younger is taken for true where that cannot be told: of metrics and
                   events only begin and end are known
        """
        young = now.opened_s - self.opened_s < trusted_s
        if self.selection != now.selection:
            return young
        if _state(self.records) != _state(now.records):
            return False
        spans = [[await each.span() for each in some.history] for some in (self, now)]
        return spans[0] == spans[1] and (young or not self.history)

    async def nothing(self) -> NothingMatchedError:
        """Return the error for a selection without messages."""
        return await Catalog(self.connection).nothing(self.selection)


def _state(records: RecordSnapshot | None) -> object:
    return records and records.state
