"""Showing how far reading is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from twinsight_store.times import format_time

_BAR_PERIOD_S = 0.2
_LINE_PERIOD_S = 10.0


class Position:
    """Takes the time of every message; shows it a few times a second at most."""

    def __init__(
        self, console: Console, span: tuple[int, int], progress: Progress | None, task: TaskID
    ) -> None:
        """Make one; ``progress`` is None where lines are to be written. See shown()."""
        self._console = console
        self._start_ns, self._end_ns = span
        self._progress = progress
        self._task = task
        self._messages = 0
        self._next_s = time.monotonic() + (_BAR_PERIOD_S if progress else _LINE_PERIOD_S)

    def move_to(self, receive_ns: int) -> None:
        """Count a message of that time."""
        self._messages += 1
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        if self._progress is not None:
            self._next_s = now_s + _BAR_PERIOD_S
            self._progress.update(
                self._task, completed=receive_ns - self._start_ns,
                position=format_time(receive_ns), messages=self._messages,
            )
        else:
            self._next_s = now_s + _LINE_PERIOD_S
            share = (receive_ns - self._start_ns) / max(1, self._end_ns - self._start_ns)
            self._console.print(
                f'at {format_time(receive_ns)}, {share:.0%}, {self._messages} messages',
                highlight=False,
            )


@contextmanager
def shown(console: Console, span: tuple[int, int]) -> Iterator[Position]:
    """Show the position between two times (Unix ns) on the console while the block runs."""
    if not console.is_terminal:
        yield Position(console, span, None, TaskID(0))
        return
    columns = (
        TextColumn('{task.fields[position]}'), BarColumn(),
        TextColumn('{task.percentage:>3.0f} %  {task.fields[messages]} messages'),
    )
    with Progress(*columns, console=console, refresh_per_second=5) as progress:
        task = progress.add_task(
            'reading', total=span[1] - span[0], position=format_time(span[0]), messages=0
        )
        yield Position(console, span, progress, task)
        progress.update(task, completed=span[1] - span[0])
