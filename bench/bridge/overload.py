"""
What becomes of memory and of time when more is published than can be passed on.

Three viewers that read all they can look at 800 MB/s of 1 MB messages. Messages have to be left
out then; what counts is that those that come are not old, that memory stays bounded (by what may
wait for viewers, send_buffer_limit each, and before their queues, and what is kept of the memory
that was freed), and that what is left out is counted. In turn with that, foxglove-sdk alone gets
the same load for the same viewers.
"""

from __future__ import annotations

from pathlib import Path
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any, NamedTuple

from rich.table import Table

from bench import machine, report
from bench.loads import Load, of_size
from bench.report import Measured
from twinsight_bridge.front.settings import FrontSettings

from .stage import arrived, lost_by, READY_S, report_of, sent_by, Stage, stage

BRIDGE, SDK = WAYS = ('bridge', 'foxglove-sdk alone')

_VIEWERS = 3
_BYTES, _RATE_HZ = 1_000_000, 800.0
_POLL_S = 0.5


class Overloaded(NamedTuple):
    """
    What became of one run; sizes in bytes, messages of all viewers together.

    wanted      published, once for each viewer
    left_out    as the server counts them, None where it does not
    latency_ms  of the viewer with the oldest messages
    base, peak  own memory with no viewer, and the most of it
    """

    publish_hz: float
    wanted: int
    arrived: int
    left_out: int | None
    latency_ms: dict[str, float]
    base: int
    peak: int
    other_cores: float

    @property
    def unseen(self) -> int:
        """Return the messages that were left out and not counted."""
        return self.wanted - self.arrived - (self.left_out or 0)


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a process fails."""
    load = of_size(_BYTES, _RATE_HZ, 6.0 if quick else 20.0)
    progress = report.console(error=True)
    found: dict[str, Overloaded] = {}
    for way in WAYS:
        with progress.status(f'overload: {way}, {load.seconds:g} s'), \
                TemporaryDirectory(prefix='twinsight_bench_') as name, \
                stage(Path(name)) as on:
            found[way] = _run(on, way, load)
    allowed = _VIEWERS * FrontSettings().send_buffer_limit
    title = f'{_VIEWERS} viewers of {load.title} for {load.seconds:g} s · {machine.line()}'
    numbers = {
        'machine': machine.describe(), 'seconds': load.seconds, 'allowed_bytes': allowed,
        'ways': {way: {**each._asdict(), 'unseen': each.unseen} for way, each in found.items()},
    }
    return Measured([_table(title, found, allowed)], numbers)


def _run(on: Stage, way: str, load: Load) -> Overloaded:
    expected = 1 if way == BRIDGE else _VIEWERS
    source = (on.through_ros if way == BRIDGE else on.without_ros)(load, expected)
    time.sleep(_POLL_S)
    base = on.server.memory[-1].anonymous
    viewers = on.viewers(load, _VIEWERS)
    source.line(READY_S, beside=on.server)  # it says "matched"
    others = on.others()
    source.go()
    sent = sent_by(source, load.seconds)
    left_out = sum(map(lost_by, on.said_of_viewers())) if way == BRIDGE else None
    noted = [report_of(each.process) for each in viewers]
    return Overloaded(
        sent.hz, _VIEWERS * sent.messages, sum(map(arrived, noted)), left_out,
        max((each['latency_ms'] for each in noted), key=_p99), base,
        max(each.anonymous for each in on.server.memory), others.cores(),
    )


def _p99(latency_ms: dict[str, Any]) -> float:
    return latency_ms['p99'] or 0.0


def _table(title: str, found: dict[str, Overloaded], allowed: int) -> Table:
    table = Table(title=title)
    table.add_column('')
    for way in found:
        table.add_column(way, justify='right')
    rows = {way: _rows(each, allowed) for way, each in found.items()}
    for heading in next(iter(rows.values())):
        table.add_row(heading, *(report.number(of_way[heading]) for of_way in rows.values()))
    return table


def _rows(found: Overloaded, allowed: int) -> dict[str, float | None]:
    return {
        'published a second': found.publish_hz,
        'reached the viewers, % of what was published': 100 * found.arrived / found.wanted,
        'left out and counted, %': (
            None if found.left_out is None else 100 * found.left_out / found.wanted
        ),
        'left out and not counted, %': 100 * found.unseen / found.wanted,
        'ms until a message came, p50': found.latency_ms['p50'],
        'p99': found.latency_ms['p99'],
        'own memory, MB: with no viewer': found.base / 1e6,
        'most': found.peak / 1e6,
        f'what was added, as a multiple of {_VIEWERS} × send_buffer_limit': (
            (found.peak - found.base) / allowed
        ),
        'cores that other programs kept busy': found.other_cores,
    }


def main() -> int:
    """Measure; return the exit code."""
    return report.run_part('bridge.overload', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
