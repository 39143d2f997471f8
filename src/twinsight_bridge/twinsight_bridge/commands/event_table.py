"""The event table as a place that events are written to, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import psycopg

from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import (
    connect,
    Connection,
    postgres_errors,
    PostgresSettings,
)
from twinsight_store.history.sink import write_deliveries
from twinsight_store.metrics.batch import Delivery
from twinsight_store.metrics.sink import Written


class EventTable:
    """
    A MetricSink for events.

    Unlike HistorySink it leaves alone how samples are kept: who writes none has no say in that.
    """

    name = 'postgres'

    def __init__(self, settings: PostgresSettings) -> None:
        """Make one; it connects with the first write."""
        self._settings = settings
        self._connection: Connection | None = None

    def write(self, deliveries: Sequence[Delivery]) -> Written:
        """Write deliveries in one transaction; see MetricSink."""
        try:
            with postgres_errors(self._settings):
                if self._connection is None:
                    self._connection = connect(self._settings, 'twinsight api events')
                    migrate(self._connection)
                return write_deliveries(self._connection, deliveries)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; fine where there is none."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()
