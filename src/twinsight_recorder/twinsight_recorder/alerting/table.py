"""Alerts for people: one row for each, from when it was raised to when it was cleared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twinsight_recorder.alerting.condition import duration_text
from twinsight_store.metrics.fact import ALERT_RAISED, Event
from twinsight_store.times import format_time

_ROWS = 1000
_FILE_WIDTH = 200
_STYLES = {'warn': 'yellow', 'error': 'red'}


@dataclass
class _Row:
    raised: Event
    raised_ns: int
    cleared_ns: int | None = None


class AlertTable:
    """Pairs the events of alerts; it keeps the first 1000 and counts all."""

    def __init__(self) -> None:
        self.count = 0
        self._rows: list[_Row] = []
        self._open: dict[tuple[str, str, str], _Row | None] = {}
        self._ended: dict[tuple[str, str, str], int] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Add events in the order of their times."""
        for event in events:
            key = (event.robot_id, str(event.data.get('rule')), str(event.data.get('metric')))
            if event.kind == ALERT_RAISED:
                if self._ended.get(key) != event.time_ns:
                    self._open[key] = self._new(event, event.time_ns)
                continue
            raised_ns = int(event.data.get('raised_ns', event.time_ns))
            if key in self._open:
                row = self._open.pop(key)
            else:  # raised before the span, or at this very time: those are in no order
                row = self._new(event, raised_ns)
                self._ended[key] = raised_ns
            if row is not None:
                row.cleared_ns = event.time_ns

    def print(self) -> None:
        """Print the table, and how many alerts it leaves out."""
        table = Table()
        for name in ('raised (UTC)', 'robot', 'mission', 'rule', 'severity', '→ cleared (UTC)'):
            table.add_column(name, overflow='fold')
        table.add_column('lasted', justify='right')
        table.add_column('message', overflow='fold', ratio=1)
        for row in self._rows:
            event = row.raised
            cleared_ns = row.cleared_ns
            table.add_row(
                _time(row.raised_ns), Text(event.robot_id), Text(event.mission_id),
                Text(str(event.data.get('rule', ''))),
                Text(event.severity, _STYLES.get(event.severity, '')),
                'still active' if cleared_ns is None else _time(cleared_ns),
                '' if cleared_ns is None else duration_text(cleared_ns - row.raised_ns),
                Text(event.message),
            )
        Console(width=None if sys.stdout.isatty() else _FILE_WIDTH, highlight=False).print(table)
        if self.count > len(self._rows):
            print(f'and {self.count - len(self._rows)} alerts more: --json gives all of them')

    def _new(self, event: Event, raised_ns: int) -> _Row | None:
        self.count += 1
        if len(self._rows) >= _ROWS:
            return None
        self._rows.append(_Row(event, raised_ns))
        return self._rows[-1]


def _time(time_ns: int) -> str:
    return format_time(time_ns).removesuffix(' UTC')
