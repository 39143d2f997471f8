"""Showing what a player does: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import threading
import time

from rich.console import Console, Group
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from twinsight_replay.playing import State, Status
from twinsight_store.times import format_time

_BAR_HZ = 5.0
_LOOK_S = 0.5
_LINE_PERIOD_S = 5.0
_WINDOW_S = 2.0
_STYLES = {State.PLAYING: 'green', State.WAITING: 'red'}


@contextmanager
def shown(console: Console, status: Callable[[], Status]) -> Iterator[None]:
    """Show on the console what a player does while the block runs."""
    throughput = Throughput()
    if console.is_interactive:
        def now() -> Group:
            seen = status()
            return _bar(seen, *throughput.of(seen, time.monotonic()))

        with Live(get_renderable=now, console=console, refresh_per_second=_BAR_HZ):
            yield
        return
    done = threading.Event()
    thread = threading.Thread(
        target=_print_lines, args=(console, status, throughput, done),
        name='twinsight-status-line', daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Throughput:
    """Messages and bytes a second, over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()

    def of(self, status: Status, now_s: float) -> tuple[float, float]:
        """Return messages and bytes a second; 0 at first."""
        self._seen.append((now_s, status.messages, status.bytes))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - _WINDOW_S:
            self._seen.popleft()
        since_s, messages, size = self._seen[0]
        if now_s <= since_s:
            return 0.0, 0.0
        gone_s = now_s - since_s
        return (status.messages - messages) / gone_s, (status.bytes - size) / gone_s


class Moments:
    """Decides when a line is due: every 5 s, and where waiting begins or ends."""

    def __init__(self, now_s: float) -> None:
        self._next_s = now_s + _LINE_PERIOD_S
        self._waiting = False

    def is_due(self, state: State, now_s: float) -> bool:
        """Return whether a line is to be written now."""
        waiting = state is State.WAITING
        if waiting == self._waiting and now_s < self._next_s:
            return False
        self._waiting = waiting
        self._next_s = now_s + _LINE_PERIOD_S
        return True


def _print_lines(
    console: Console, status: Callable[[], Status], throughput: Throughput, done: threading.Event
) -> None:
    moments = Moments(time.monotonic())
    while not done.wait(_LOOK_S):
        now, now_s = status(), time.monotonic()
        rates = throughput.of(now, now_s)
        if moments.is_due(now.state, now_s):
            console.print(line(now, *rates), highlight=False, soft_wrap=True)


def line(status: Status, messages_per_s: float, bytes_per_s: float) -> str:
    """Return what a player does, as a line."""
    return (
        f'at {format_time(status.position_ns)}, {_share(status):.0%}, '
        f'{_state(status)}, {_numbers(status, messages_per_s, bytes_per_s)}'
    )


def _share(status: Status) -> float:
    """Return how much of what is played lies behind, 0 to 1."""
    if status.end_ns == status.start_ns:
        return float(status.state is State.FINISHED)
    gone = (status.position_ns - status.start_ns) / (status.end_ns - status.start_ns)
    return min(max(gone, 0.0), 1.0)


def _bar(status: Status, messages_per_s: float, bytes_per_s: float) -> Group:
    """Return what a player does, as a bar with the numbers below it."""
    gone = _share(status)
    grid = Table.grid(
        Column(no_wrap=True), Column(ratio=1), Column(no_wrap=True), Column(no_wrap=True),
        padding=(0, 1), expand=True,
    )
    grid.add_row(
        format_time(status.position_ns), ProgressBar(total=1.0, completed=gone), f'{gone:.0%}',
        Text(_state(status), _STYLES.get(status.state, 'yellow')),
    )
    numbers = _numbers(status, messages_per_s, bytes_per_s)
    return Group(grid, Text(numbers, no_wrap=True, overflow='ellipsis'))


def _state(status: Status) -> str:
    return status.state.value.upper() + (f' (loop {status.loop})' if status.loop else '')


def _numbers(status: Status, messages_per_s: float, bytes_per_s: float) -> str:
    return (
        f'rate {status.rate:g}, {status.lag_ns / 1e6:.1f} ms late, '
        f'{status.messages:,} messages, {messages_per_s:,.0f}/s, {decimal(round(bytes_per_s))}/s'
    )
