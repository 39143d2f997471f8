"""How the record of what was done gets into the stores, as it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field

from twinsight_bridge.commands.event_log import EventLog


class EventsWritten(BaseModel):
    """What became of events on their way into a store, since the server started."""

    store: Annotated[str, Field(examples=['PostgreSQL'])]
    written: int
    waiting: int
    lost: Annotated[int, Field(description='Too many waited, or the store does not take them.')]
    problem: Annotated[str, Field(description='Why some wait; empty for none.')]


def counts_of(logs: Mapping[str, EventLog]) -> list[EventsWritten]:
    """Return the counts of each store."""
    return [
        EventsWritten(store=store, **log.counts()._asdict()) for store, log in logs.items()
    ]
