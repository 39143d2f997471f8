"""Counting and reporting the records that cannot be read."""

from __future__ import annotations

from collections.abc import Callable

from twinsight_store.errors import RecordError

_MOST_REPORTS = 20


class BadRecords:
    """Reports the first ones, each with entry and time; counts all."""

    def __init__(self, report: Callable[[str], object]) -> None:
        self.count = 0
        self._report = report

    def add(self, error: RecordError) -> None:
        """Take what is wrong with a record."""
        self.count += 1
        if self.count <= _MOST_REPORTS:
            self._report(str(error))
        if self.count == _MOST_REPORTS:
            self._report('further records that cannot be read are counted only')
