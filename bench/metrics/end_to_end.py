"""
Samples a second that the metrics recorder sustains, from ROS topics to Redis and PostgreSQL.

A process publishes odometry and IMU messages on 40 topics, 340 metrics by the ready-made rules.
The rate is raised until it is no longer sustained, then the gap is halved. Sustained is a rate
when every sample lies once in both stores at the end (counted there, and compared with what was
published), and the age of the newest sample did not grow meanwhile. Beside it: binary COPY of
rows made beforehand, by one process, into the same tables and indexes on the same server, before
and after the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
import sys
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench import machine, report
from bench.recorder.search import Found, highest_lossless
from bench.report import Measured
from twinsight_tools.private import PrivateServer

from . import reference
from .delays import POSTGRES, REDIS
from .load import Load
from .servers import Database, database_server, redis_server
from .trial import Bench, Outcome

TARGET_PER_S = 50_000.0
TARGET_RATIO = 0.5

_COPIES = 2
_DISTURBED_TRIALS = 2
_DISTURBING_CORES = 0.3
_PROCESSES = ('recorder', 'publisher', POSTGRES, REDIS)


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a server is missing or a process fails."""
    seconds, factor, trials, rows = (8.0, 1.5, 4, 400_000) if quick else (20.0, 1.15, 9, 1_200_000)
    progress = report.console(error=True)
    outcomes: list[Outcome] = []
    with TemporaryDirectory(prefix='twinsight_bench_') as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server of the database may belong to another user
        with database_server(folder / 'postgres', durable=True) as server, \
                redis_server(folder) as live:
            about = Database(server.url).versions
            bench = Bench(server, live, folder)
            pieces = reference.made_beforehand(rows)
            copied = _copy(server, pieces, progress)
            found = _search(bench, Load(TARGET_PER_S, seconds), factor, trials, outcomes, progress)
            copied += _copy(server, pieces, progress)
    best = found.best.publish_hz if found.best else None
    ratio = best / (report.median(copied) or 1.0) if best else None
    numbers = {
        'machine': machine.line(), 'database': about, 'seconds': seconds,
        'sustained_samples_per_s': best, 'not_sustained_per_s': found.lossy_hz,
        'limited_by': found.limit, 'copy_rows_per_s': copied, 'ratio_to_copy': ratio,
        'trials': [asdict(outcome) | {'verdict': outcome.verdict} for outcome in outcomes],
    }
    title = f'samples/s end to end, {seconds:g} s a trial · {machine.line()} · {about}'
    return Measured([_trials(title, outcomes), _summary(found, copied, ratio)], numbers)


def _copy(server: PrivateServer, pieces: Sequence[bytes], progress: Console) -> list[float]:
    rates = []
    for _ in range(_COPIES):
        with progress.status('bare COPY'):
            rates.append(reference.rows_per_s(server, pieces))
        progress.print(f'bare COPY: {rates[-1]:,.0f} rows/s')
    return rates


def _search(
    bench: Bench, load: Load, factor: float, trials: int, outcomes: list[Outcome],
    progress: Console,
) -> Found[Outcome]:
    def try_rate(rate: float) -> Outcome:
        for _ in range(_DISTURBED_TRIALS):
            with progress.status(f'{rate:,.0f} samples/s'):
                outcome = bench.run(Load(rate, load.seconds))
            outcomes.append(outcome)
            progress.print(
                f'{rate:,.0f} samples/s: {outcome.verdict}; other programs kept '
                f'{outcome.other_cores:.1f} cores busy'
            )
            # What fails while others take the machine says nothing of the rate.
            if outcome.lossless or outcome.other_cores < _DISTURBING_CORES:
                break
        return outcome

    return highest_lossless(try_rate, load.samples_per_s, factor, trials)


def _trials(title: str, outcomes: list[Outcome]) -> Table:
    table = Table(title=title)
    for heading in (
        'asked', 'published', 'messages/s', 'newest in\nRedis s', 'newest in\ndatabase s',
        'drained s', *(f'{name}\nCPU %' for name in _PROCESSES), 'others\nCPU %',
    ):
        table.add_column(heading, justify='right')
    table.add_column('verdict')
    for outcome in outcomes:
        messages_hz = outcome.publish_hz / outcome.load.samples * outcome.load.messages
        shares = (*(outcome.cpu[name] for name in _PROCESSES), outcome.other_cores)
        table.add_row(
            f'{outcome.load.samples_per_s:,.0f}', f'{outcome.publish_hz:,.0f}',
            f'{messages_hz:,.0f}',
            *(report.number(outcome.delay_s(store)) for store in (REDIS, POSTGRES)),
            report.number(outcome.drain_s), *(f'{100 * share:.0f}' for share in shares),
            outcome.verdict,
        )
    return table


def _summary(found: Found[Outcome], copied: list[float], ratio: float | None) -> Table:
    best = found.best.publish_hz if found.best else None
    table = Table(title='beside the bare database')
    table.add_column('')
    table.add_column('measured', justify='right')
    table.add_column('wanted', justify='right')
    limit = 'the publisher is no faster' if found.limit == 'publisher' else ''
    table.add_row('samples/s sustained', report.number(best), f'{TARGET_PER_S:,.0f}')
    lossy = f'{found.lossy_hz:,.0f}' if found.lossy_hz else limit
    table.add_row('not sustained, samples/s', lossy, '')
    copy = f'binary COPY, {reference.ROWS_A_COMMIT:,} rows a commit, rows/s'
    table.add_row(copy, report.spread(copied), '')
    table.add_row('ratio of the two', report.number(ratio), f'at least {TARGET_RATIO:g}')
    return table


def main() -> int:
    """Measure end to end; return the exit code."""
    return report.run_part('metrics.end_to_end', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
