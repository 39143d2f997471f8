"""Counting and reporting the records that cannot be read."""

from __future__ import annotations

from collections.abc import Callable

from twinsight_store.errors import RecordError

_MOST_REPORTS = 20
_MOST_KNOWN = 10_000


class BadRecords:
    """
    Reports the first ones, each with entry and time; counts all.

    One that is read again, after a seek or in a loop, is the same one, as long as there are not
    too many to know them all.
    """

    def __init__(self, report: Callable[[str], object]) -> None:
        self.count = 0
        self._report = report
        self._known: set[int] = set()

    def add(self, error: RecordError) -> None:
        """Take what is wrong with a record."""
        text = str(error)
        if hash(text) in self._known:
            return
        if len(self._known) < _MOST_KNOWN:
            self._known.add(hash(text))
        self.count += 1
        if self.count <= _MOST_REPORTS:
            self._report(text)
        if self.count == _MOST_REPORTS:
            self._report('further records that cannot be read are counted only')
