"""
Whether the queue runs dry at 100 MB/s: four topics of 1 MB messages at 25 Hz, played at 1×.

The replay says ten times a second in ~/status whether it waits for the store, and how much is
queued. Where it waits, the timeline stands still: so the time from the first message to the last
one at the listener, beyond the recorded one, also shows waits that are too short for ~/status.
"""

from __future__ import annotations

from pathlib import Path
import sys
from tempfile import TemporaryDirectory

from rich.table import Table

from bench import machine, report
from bench.loads import BYTES, Stream
from bench.reduct_server import reduct_server
from bench.report import Measured
from twinsight_store.connection import StoreSettings

from .recording import record, Recording
from .trial import Bench

_STREAMS = tuple(
    Stream(f'/bench/big_{number}', BYTES, 1_000_000, 25.0) for number in range(4)
)


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a server is missing or a process fails."""
    seconds = 8.0 if quick else 30.0
    progress = report.console(error=True)
    with TemporaryDirectory(prefix='twinsight_bench_') as name, reduct_server(Path(name)) as store:
        facts = machine.describe(store.url)
        recording = Recording(StoreSettings(store.url), _STREAMS, seconds)
        with progress.status(f'supply: recording {seconds:g} s'):
            record(recording, Path(name))
        with progress.status(f'supply: playing {seconds:g} s'):
            played = Bench(store, Path(name)).play(recording, 1.0)
    periods, waiting = played.waiting
    numbers = {
        'machine': facts, 'seconds': seconds, 'waiting_periods': periods,
        'waiting_statuses': waiting, 'statuses': len(played.statuses),
        'least_queued_bytes': played.least_queued_bytes, 'standstill_ms': played.standstill_ms,
        'lost': played.lost, 'late_p99_ms': played.late_ms('p99'),
        'cost': played.cost._asdict(),
    }
    table = Table(title=f'100 MB/s at 1× for {seconds:g} s · {machine.line(facts)}')
    least = played.least_queued_bytes
    cells = {
        'periods of WAITING': float(periods),
        'played longer than recorded, ms': played.standstill_ms,
        'least queued, MB': None if least is None else least / 1e6,
        'lost': float(played.lost),
        'late p99, ms': played.late_ms('p99'),
        'CPU % of a core: replay': 100 * played.cost.replay,
        'ReductStore': 100 * played.cost.store,
        'listener': 100 * played.cost.listener,
        'peak RSS MB': played.cost.peak_bytes / 1e6,
        'other cores': played.cost.other_cores,
    }
    for heading in cells:
        table.add_column(heading, justify='right')
    table.add_row(*map(report.number, cells.values()))
    return Measured([table], numbers)


def main() -> int:
    """Measure the supply; return the exit code."""
    return report.run_part('replay.supply', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
