"""A record on its way to the store, with what the recorder has to know of it."""

from __future__ import annotations

from dataclasses import dataclass

from twinsight_recorder.raw.recorded_topic import RecordedTopic
from twinsight_store.layout import Record
from twinsight_store.spool import Position


@dataclass(eq=False)
class Parcel:
    """
    A record that is complete.

    since_ns  receive time of its oldest message, Unix ns
    spooled   a position in the spool from which on all its messages lie; None where some do not
    """

    record: Record
    topic: RecordedTopic
    bucket: str
    since_ns: int
    spooled: Position | None

    @property
    def place(self) -> tuple[str, str]:
        """Return bucket and entry; two requests must not write to one place at once."""
        return self.bucket, self.record.entry
