"""
What the bridge holds while one of three viewers takes nothing, at 30 MB/s of 1 MB messages.

First all three read, then one stops and its socket stays open. The other two have to get every
message that was published, and the bridge's own memory (the segments of DDS, which it shares with
others, beside it) has to stay under what it held with three viewers that read, plus
send_buffer_limit for each viewer. What the stalled one lost is what the bridge says on its page
/viewers. In turn with that, foxglove-sdk alone carries the same load to the same viewers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any

from rich.table import Table

from bench import machine, report
from bench.loads import Load, of_size
from bench.process import Process
from bench.report import Measured
from twinsight_bridge.front.settings import FrontSettings

from .stage import arrived, lost_by, READY_S, report_of, sent_by, Stage, stage, Viewer

BRIDGE, SDK = WAYS = ('bridge', 'foxglove-sdk alone')

_VIEWERS = 3
_BYTES, _RATE_HZ = 1_000_000, 30.0
_ENDLESS_S = 3600.0
_POLL_S = 0.5


@dataclass
class Held:
    """
    What became of one run; sizes in bytes, times in seconds since the first message.

    base      own memory before the first viewer came
    reading   the most of it while all three read
    peak      the most of it while one was stalled
    rss       the most resident memory of the whole run, DDS's segments included
    lost      messages that the readers did not get
    stalled_lost, stalled_waiting   messages that the stalled one lost, as the bridge counts them,
              and the most bytes that waited for it; None where nobody counts
    """

    base: int
    reading: int = 0
    peak: int = 0
    rss: int = 0
    stalled_at_s: float = 0.0
    published: int = 0
    lost: list[int] = field(default_factory=list)
    stalled_got: int = 0
    stalled_lost: int | None = None
    stalled_waiting: int | None = None
    other_cores: float = 0.0
    memory: list[tuple[float, int, int]] = field(default_factory=list)

    def bound(self, limit_bytes: int) -> int:
        """Return what the own memory has to stay under."""
        return self.reading + _VIEWERS * limit_bytes


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a process fails."""
    reading_s, stalled_s = (6.0, 15.0) if quick else (20.0, 60.0)
    limit_bytes = FrontSettings().send_buffer_limit
    load = of_size(_BYTES, _RATE_HZ, _ENDLESS_S)
    progress = report.console(error=True)
    found: dict[str, Held] = {}
    for way in WAYS:
        with progress.status(f'stalled: {way}, {reading_s + stalled_s:g} s'), \
                TemporaryDirectory(prefix='twinsight_bench_') as name, \
                stage(Path(name)) as on:
            found[way] = _run(on, way, load, reading_s, stalled_s)
    title = (
        f'{_VIEWERS} viewers of {load.title}, one stalled for {stalled_s:g} s · {machine.line()}'
    )
    ours = found[BRIDGE]
    held = ours.peak <= ours.bound(limit_bytes)
    verdict = (
        f'the bridge’s own memory, MB: {_mb(ours.base)} with no viewer '
        f'+ {_VIEWERS} × {_mb(limit_bytes)} (send_buffer_limit) '
        f'+ {_mb(ours.reading - ours.base)} for {_VIEWERS} viewers that read '
        f'= {_mb(ours.bound(limit_bytes))}: '
        f'{"held" if held else "NOT HELD"}, the most was {_mb(ours.peak)}'
    )
    numbers = {
        'machine': machine.describe(), 'reading_s': reading_s, 'stalled_s': stalled_s,
        'send_buffer_limit': limit_bytes, 'bound': ours.bound(limit_bytes), 'held': held,
        'ways': {way: asdict(each) for way, each in found.items()},
    }
    return Measured([_table(title, found), verdict], numbers)


def _run(on: Stage, way: str, load: Load, reading_s: float, stalled_s: float) -> Held:
    expected = 1 if way == BRIDGE else _VIEWERS
    source = (on.through_ros if way == BRIDGE else on.without_ros)(load, expected)
    time.sleep(_POLL_S)
    held = Held(on.server.memory[-1].anonymous)
    readers = on.viewers(load, _VIEWERS - 1)
    [stalled] = on.viewers(load, 1, '--stalls')
    source.line(READY_S, beside=on.server)  # it says "matched"
    others, start_s = on.others(), time.monotonic()
    source.go()
    time.sleep(reading_s)
    stalled.process.go()
    stall_s = time.monotonic()
    while time.monotonic() < stall_s + stalled_s:
        time.sleep(_POLL_S)
        if way == BRIDGE:
            _note(held, on.said_of_viewers(), stalled)
    end_s = time.monotonic()
    source.go()  # the second line ends it
    sent = sent_by(source, 0.0)
    noted = [report_of(each.process) for each in readers]
    held.stalled_got = arrived(report_of(stalled.process))
    held.published, held.other_cores = sent.messages, others.cores()
    held.lost = [sent.messages - arrived(each) for each in noted]
    held.stalled_at_s = stall_s - start_s
    _note_memory(held, on.server, start_s, stall_s, end_s)
    return held


def _note(held: Held, said: list[dict[str, Any]], stalled: Viewer) -> None:
    """Keep what is said of the stalled viewer; after a minute the bridge disconnects it."""
    for viewer in said:
        if viewer['name'].endswith(f':{stalled.port}'):
            held.stalled_lost = lost_by(viewer)
            held.stalled_waiting = max(held.stalled_waiting or 0, viewer['waiting_bytes'])


def _note_memory(
    held: Held, server: Process, start_s: float, stall_s: float, end_s: float
) -> None:
    samples = [each for each in server.memory if start_s <= each.at_s <= end_s]
    held.reading = max(each.anonymous for each in samples if each.at_s < stall_s)
    held.peak = max(each.anonymous for each in samples if each.at_s >= stall_s)
    held.rss = max(each.peak for each in samples)
    held.memory = [(round(each.at_s - start_s, 2), each.rss, each.anonymous) for each in samples]


def _table(title: str, found: dict[str, Held]) -> Table:
    table = Table(title=title)
    table.add_column('')
    for way in found:
        table.add_column(way, justify='right')
    table.add_column('ratio', justify='right')
    ours, limit = (found[way] for way in WAYS)
    rows: dict[str, tuple[float | None, float | None]] = {
        'own memory, MB: with no viewer': (ours.base / 1e6, limit.base / 1e6),
        'most while all read': (ours.reading / 1e6, limit.reading / 1e6),
        'most while one was stalled': (ours.peak / 1e6, limit.peak / 1e6),
        'that is more by': ((ours.peak - ours.reading) / 1e6, (limit.peak - limit.reading) / 1e6),
        'resident memory, MB: most, with DDS’s segments': (ours.rss / 1e6, limit.rss / 1e6),
        'published': (ours.published, limit.published),
        'lost by the two that read': (sum(ours.lost), sum(limit.lost)),
        'the stalled one: lost, as the server counts': (ours.stalled_lost, limit.stalled_lost),
        'got before, or in queues at the end': (
            None if ours.stalled_lost is None else ours.published - ours.stalled_lost, None
        ),
        'most that waited for it, MB': (
            None if ours.stalled_waiting is None else ours.stalled_waiting / 1e6, None
        ),
        'cores that other programs kept busy': (ours.other_cores, limit.other_cores),
    }
    for heading, (one, other) in rows.items():
        is_memory = 'while' in heading or 'more by' in heading
        ratio = report.number(one / other) if is_memory and one and other else ''
        table.add_row(heading, report.number(one), report.number(other), ratio)
    return table


def _mb(size: int) -> str:
    return f'{size / 1e6:.0f}'


def main() -> int:
    """Measure; return the exit code."""
    return report.run_part('bridge.stalled', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
