"""
How long it takes from publishing a message until a viewer has it.

A process publishes; the bridge's viewer and a plain ROS subscriber (serialized messages, in the
callbacks of an executor) hear the same messages at the same time. In turn with that, foxglove-sdk
alone carries the same load from the process that makes it to the same viewer, without ROS: the
limit. Its server holds a small frame back until the one before is acknowledged, which takes up to
40 ms where nothing is sent back, so it is measured with a viewer that has the kernel acknowledge
at once, and with one that is as viewers are. The first second does not count.
"""

from __future__ import annotations

from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from typing import Any

from rich.table import Table

from bench import machine, report
from bench.loads import Load, of_size
from bench.process import Process
from bench.report import Measured

from .stage import arrived, READY_S, report_of, sent_by, Stage, stage

SUBSCRIBER, BRIDGE, SDK, SDK_USUAL = WAYS = (
    'ROS subscriber', 'bridge', 'foxglove-sdk alone', 'foxglove-sdk, usual viewer',
)
PARTS = ('p50', 'p99', 'max')

_LOADS = ((1_000, 100.0), (1_000, 1_000.0), (1_000_000, 30.0))

Round = dict[str, dict[str, Any]]
"""Way → p50, p99 and max (ms), what was lost of what was sent, and what others took."""


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a process fails."""
    seconds, rounds = (4.0, 1) if quick else (15.0, 3)
    progress = report.console(error=True)
    found: dict[str, list[Round]] = {}
    for size, rate_hz in _LOADS:
        load = of_size(size, rate_hz, seconds)
        found[load.title] = []
        for turn in range(rounds):
            with progress.status(f'latency: {load.title}, {turn + 1} of {rounds}'):
                found[load.title].append(_round(load))
    title = (
        f'ms from publishing until it is there, {rounds} × {seconds:g} s · {machine.line()}'
    )
    numbers = {
        'machine': machine.describe(), 'seconds': seconds, 'unit': 'ms', 'rounds': found,
    }
    return Measured([_table(title, found)], numbers)


def _round(load: Load) -> Round:
    with TemporaryDirectory(prefix='twinsight_bench_') as name:
        folder = Path(name)
        with stage(folder) as on:
            source = on.through_ros(load, 2)
            listener, [viewer] = on.listener(load), on.viewers(load, 1)
            found = _run(on, load, source, {SUBSCRIBER: listener, BRIDGE: viewer.process})
        for way, options in ((SDK, ['--acknowledge']), (SDK_USUAL, [])):
            with stage(folder) as on:
                source = on.without_ros(load, 1)
                [viewer] = on.viewers(load, 1, *options)
                found |= _run(on, load, source, {way: viewer.process})
    return found


def _run(on: Stage, load: Load, source: Process, ends: dict[str, Process]) -> Round:
    source.line(READY_S, beside=on.server)  # it says "matched"
    others = on.others()
    source.go()
    sent = sent_by(source, load.seconds)
    found = {}
    for way, process in ends.items():
        noted = report_of(process)
        found[way] = {
            **noted['latency_ms'], 'sent': sent.messages, 'lost': sent.messages - arrived(noted),
            'other_cores': others.cores(),
        }
    return found


def _table(title: str, found: dict[str, list[Round]]) -> Table:
    table = Table(title=title)
    table.add_column('load')
    table.add_column('way')
    for heading in (
        *PARTS, 'p50 / subscriber’s', 'p99 / subscriber’s', 'p50 / foxglove-sdk’s',
        'p99 / foxglove-sdk’s', 'lost', 'other cores',
    ):
        table.add_column(heading, justify='right')
    for load, rounds in found.items():
        for way in WAYS:
            cells = [[each[way][part] for each in rounds] for part in PARTS]
            for other in (SUBSCRIBER, SDK):
                for part in ('p50', 'p99'):
                    cells.append(
                        [each[way][part] / each[other][part] for each in rounds]
                        if way != other else []
                    )
            cells += [[each[way][name] for each in rounds] for name in ('lost', 'other_cores')]
            table.add_row(load if way == WAYS[0] else '', way, *map(report.spread, cells))
        table.add_section()
    return table


def main() -> int:
    """Measure latency; return the exit code."""
    return report.run_part('bridge.latency', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
