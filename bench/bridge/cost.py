"""
What the bridge takes of the processor with 0, 1 and 5 viewers, and when they have gone again.

The standard robot (two cameras, LIDAR, scan, odometry, IMU, tf and battery, 461 messages and 22 MB
a second) publishes all the time; each viewer looks at everything. A plain ROS subscriber of all
topics (serialized messages) runs beside the bridge as its measure. In turn with that, foxglove-sdk
alone carries the same load from the process that makes it, without ROS: what that takes is with
the making, which is what it takes with no viewer.
"""

from __future__ import annotations

from pathlib import Path
import sys
from tempfile import TemporaryDirectory
import time
from typing import NamedTuple

from rich.table import Table

from bench import machine, report
from bench.loads import Load, LOADS
from bench.process import Process
from bench.report import Measured

from .stage import arrived, READY_S, report_of, Stage, stage

TARGET = 0.01
"""Of a core, with no viewer."""

VIEWERS = (0, 1, 5, 0)
BRIDGE, SUBSCRIBER, SDK = 'bridge', 'ROS subscriber', 'foxglove-sdk alone'

_ENDLESS_S = 3600.0
_SETTLE_S = 3.0


class Share(NamedTuple):
    """
    What one process took with so many viewers, in cores.

    viewers_took  all viewers together
    lost          messages that did not come, of all viewers, in the midst of others that did
    """

    took: float
    viewers_took: float
    viewed: int
    lost: int
    other_cores: float


Round = dict[str, list[Share]]
"""Way → a share for each of VIEWERS."""


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a process fails."""
    seconds, rounds = (5.0, 1) if quick else (20.0, 3)
    [robot] = [load for load in LOADS if load.name == 'robot']
    load = robot.lasting(_ENDLESS_S)
    progress = report.console(error=True)
    found: list[Round] = []
    for turn in range(rounds):
        with TemporaryDirectory(prefix='twinsight_bench_') as name:
            with progress.status(f'cost: the bridge, {turn + 1} of {rounds}'):
                one = _bridge(Path(name), load, seconds)
            with progress.status(f'cost: foxglove-sdk alone, {turn + 1} of {rounds}'):
                found.append(one | _sdk(Path(name), load, seconds))
    without = report.median([each[BRIDGE][0].took for each in found]) or 0.0
    held = without < TARGET
    verdict = (
        f'with no viewer the bridge took {100 * without:.2f} % of a core: '
        f'{"under" if held else "NOT under"} the target of {100 * TARGET:g} %'
    )
    title = (
        f'cores, standard robot ({load.rate_hz:,.0f} messages/s), {rounds} × {seconds:g} s · '
        f'{machine.line()}'
    )
    numbers = {
        'machine': machine.describe(), 'seconds': seconds, 'viewers': VIEWERS,
        'target': TARGET, 'held': held,
        'rounds': [
            {way: [each._asdict() for each in shares] for way, shares in one.items()}
            for one in found
        ],
    }
    return Measured([_table(title, found), verdict], numbers)


def _bridge(folder: Path, load: Load, seconds: float) -> Round:
    with stage(folder) as on:
        source = on.through_ros(load, 1)
        listener = on.listener(load)
        return _phases(on, load, source, {BRIDGE: on.server, SUBSCRIBER: listener}, seconds)


def _sdk(folder: Path, load: Load, seconds: float) -> Round:
    with stage(folder) as on:
        source = on.without_ros(load, 0)
        return _phases(on, load, source, {SDK: on.server}, seconds)


def _phases(
    on: Stage, load: Load, source: Process, ways: dict[str, Process], seconds: float
) -> Round:
    source.line(READY_S, beside=on.server)  # it says "matched"
    source.go()
    found: Round = {way: [] for way in ways}
    for count in VIEWERS:
        viewers = [each.process for each in on.viewers(load, count)]
        time.sleep(_SETTLE_S)
        watched = [*ways.values(), *viewers]
        others, before = on.others(), [each.cpu_s() for each in watched]
        start_s = time.monotonic()
        time.sleep(seconds)
        took_s = time.monotonic() - start_s
        took = [(each.cpu_s() - then) / took_s for each, then in zip(watched, before, strict=True)]
        other_cores = others.cores()
        noted = [report_of(each) for each in viewers]
        for place, way in enumerate(ways):
            found[way].append(Share(
                took[place], sum(took[len(ways):]), sum(map(arrived, noted)),
                sum(arrived(each, 'lost') for each in noted), other_cores,
            ))
    return found


def _table(title: str, found: list[Round]) -> Table:
    table = Table(title=title)
    for heading in (
        'viewers', BRIDGE, SUBSCRIBER, 'bridge / subscriber', SDK, 'without the making',
        'bridge / foxglove-sdk', 'lost by viewers: bridge', 'foxglove-sdk', 'all viewers',
        'other cores',
    ):
        table.add_column(heading, justify='right')
    for place, count in enumerate(VIEWERS):
        again = ' again' if place and not count else ''
        bridge, subscriber, sdk = (
            [one[way][place] for one in found] for way in (BRIDGE, SUBSCRIBER, SDK)
        )
        added = [one[SDK][place].took - one[SDK][0].took for one in found] if count else []
        pairs = zip(bridge, subscriber, strict=True)
        cells: list[list[float]] = [
            [each.took for each in bridge], [each.took for each in subscriber],
            [ours.took / other.took for ours, other in pairs], [each.took for each in sdk], added,
            [ours.took / other for ours, other in zip(bridge, added, strict=False)],
            [each.lost for each in bridge], [each.lost for each in sdk],
            [each.viewers_took for each in bridge], [each.other_cores for each in bridge],
        ]
        table.add_row(f'{count}{again}', *map(report.spread, cells))
    return table


def main() -> int:
    """Measure the cost; return the exit code."""
    return report.run_part('bridge.cost', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
