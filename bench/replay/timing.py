"""
How exactly a replay keeps the recorded times, and what it costs, with the standard robot.

Two cameras, a LIDAR, scan, odometry, IMU, tf and battery (461 messages and 22 MB a second) lie in
a ReductStore; the replay command plays them to a process that is subscribed to all of them. The
command counts publish time minus due time of each message. The listener's times are those at
which DDS had each message; of each topic, an interval from message to message is compared with
the recorded one. Beside them stands a process that only waits for the same times: what is late
there is the machine. The thread that publishes has real-time priority where the system grants
it; at 1× it is measured without, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import Any

from rich.table import Table

from bench import machine, report
from bench.loads import LOADS
from bench.process import ROOT
from bench.reduct_server import reduct_server
from bench.report import Measured
from twinsight_store.connection import StoreSettings

from .arithmetic import quantile
from .recording import record, Recording, START_NS
from .trial import Bench, Played

TARGET_P99_MS = 0.5

_WAYS: dict[str, tuple[float, tuple[str, ...]]] = {
    '1×': (1.0, ()),
    '1×, usual priority': (1.0, ('--no-real-time',)),
    '10×': (10.0, ()),
}
"""Name → rate and options."""
_PARTS = {'p50': 0.5, 'p99': 0.99, 'max': 1.0}
_BARE_S = 10.0


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a server is missing or a process fails."""
    seconds, rounds = (10.0, 1) if quick else (60.0, 3)
    [robot] = [load for load in LOADS if load.name == 'robot']
    progress = report.console(error=True)
    played: dict[str, list[Played]] = {way: [] for way in _WAYS}
    bare: list[dict[str, int]] = []
    with TemporaryDirectory(prefix='twinsight_bench_') as name, reduct_server(Path(name)) as store:
        facts = machine.describe(store.url)
        recording = Recording(StoreSettings(store.url), robot.streams, seconds)
        with progress.status(f'timing: recording {seconds:g} s'):
            record(recording, Path(name))
        bench = Bench(store, Path(name))
        for turn in range(rounds):
            with progress.status(f'timing: the clock alone, {turn + 1} of {rounds}'):
                bare.append(_wait(recording))
            for way, (rate, options) in _WAYS.items():
                with progress.status(f'timing: {way}, {turn + 1} of {rounds}'):
                    played[way].append(bench.play(recording, rate, *options))
    numbers = {
        'machine': facts, 'seconds': seconds, 'messages': recording.messages,
        'target_p99_ms': TARGET_P99_MS, 'bare_clock': bare,
        'played': {way: [_as_json(each) for each in trials] for way, trials in played.items()},
    }
    about = f'{recording.messages:,} messages of {seconds:g} s, {rounds} times · '
    return Measured([_table(about + machine.line(facts), played, bare)], numbers)


def _wait(recording: Recording) -> dict[str, int]:
    """Return how late a process is that only waits."""
    times_ns = sorted(
        time_ns - START_NS for stream in recording.streams
        for time_ns in recording.times_ns(stream.topic)
    )
    done = subprocess.run(
        [sys.executable, '-m', 'bench.replay.bare_clock'], cwd=ROOT, check=True,
        input=json.dumps([each for each in times_ns if each < _BARE_S * 1e9]) + '\n',
        stdout=subprocess.PIPE, text=True,
    )
    late: dict[str, int] = json.loads(done.stdout)
    return late


def _table(
    title: str, played: Mapping[str, Sequence[Played]], bare: Sequence[Mapping[str, int]]
) -> Table:
    table = Table(title=title)
    table.add_column('')
    for way in played:
        table.add_column(way, justify='right')
    table.add_column('the clock alone, 1×', justify='right')
    rows = {way: _rows(trials) for way, trials in played.items()}
    alone = [
        report.spread([each[f'late_{name}_ns'] / 1e6 for each in bare]) for name in _PARTS
    ]
    for place, heading in enumerate(next(iter(rows.values()))):
        cells = (report.spread(of_way[heading]) for of_way in rows.values())
        table.add_row(heading, *cells, alone[place] if place < len(alone) else '')
    return table


def _rows(trials: Sequence[Played]) -> dict[str, list[float]]:
    errors = [each.interval_errors_ms() for each in trials]
    return {
        **{f'late, ms, {name}': [each.late_ms(name) for each in trials] for name in _PARTS},
        **{
            f'interval at the listener wrong by, ms, {name}': [
                quantile(of_one, part) or 0.0 for of_one in errors
            ]
            for name, part in _PARTS.items()
        },
        'lost': [each.lost for each in trials],
        'played longer than recorded, ms': [each.standstill_ms for each in trials],
        'CPU, % of a core: replay': [100 * each.cost.replay for each in trials],
        'ReductStore': [100 * each.cost.store for each in trials],
        'listener': [100 * each.cost.listener for each in trials],
        'memory, MB: peak RSS, DDS’s segment included': [
            each.cost.peak_bytes / 1e6 for each in trials
        ],
        'held, shared parts divided': [each.cost.held_bytes / 1e6 for each in trials],
        'cores that other programs kept busy': [each.cost.other_cores for each in trials],
    }


def _as_json(played: Played) -> dict[str, Any]:
    errors_ms = played.interval_errors_ms()
    return {
        'rate': played.rate,
        'late_ms': {name: played.late_ms(name) for name in _PARTS},
        'interval_error_ms': {name: quantile(errors_ms, part) for name, part in _PARTS.items()},
        'lost': played.lost,
        'cost': played.cost._asdict(),
        'standstill_ms': played.standstill_ms,
        'waiting_periods': played.waiting[0],
        'topics': played.report['topics'],
    }


def main() -> int:
    """Measure timing; return the exit code."""
    return report.run_part('replay.timing', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
