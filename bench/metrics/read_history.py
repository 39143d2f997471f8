"""
The history of metrics read out of PostgreSQL: ours, beside what is usually done.

All read the same rows with the same query, one after the other in each round, each in a process
of its own: ours as Arrow batches, psycopg with fetchmany from a server-side cursor, and
pandas.read_sql (SQLAlchemy), which holds everything in memory. How many rows came and what their
numbers add up to is compared.
"""

from __future__ import annotations

from collections.abc import Callable
import importlib.util
import json
from pathlib import Path
import resource
import subprocess
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any, NamedTuple

import psycopg
from rich.table import Table

from bench import machine, report
from bench.report import Measured
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.history.read import history_batches
from twinsight_store.selection import Selection
from twinsight_tools.messages import ToolError

from .servers import Database, database_server

ROWS, QUICK_ROWS = 1_000_000, 100_000
METRICS = 20
ROBOT = 'robot_01'

OURS, CURSOR, PANDAS = 'history_batches', 'psycopg fetchmany', 'pandas.read_sql'
_ROWS_A_FETCH = 5_000
_START_NS = 1_767_225_600 * 10**9  # 2026-01-01 UTC

# Every tenth metric is a text; 50 Hz.
_FILL = """
    INSERT INTO metric
    SELECT timestamptz '2026-01-01 00:00:00+00' + i * interval '20 ms', robot,
           'mission-2026-01-01T00', 'odom.position.' || n,
           CASE WHEN n % 10 > 0 THEN i + n END, CASE WHEN n % 10 = 0 THEN 'NAVIGATING' END
    FROM generate_series(0, {rows} / {metrics} - 1) AS i, generate_series(1, {metrics}) AS n,
         unnest(ARRAY['robot_01', 'robot_02']) AS robot
"""
_QUERY = f"""
    SELECT time, robot_id, mission_id, name, value, text FROM metric
    WHERE robot_id = '{ROBOT}' AND time < to_timestamp({{to}})
    ORDER BY time, robot_id COLLATE "C", name COLLATE "C", mission_id COLLATE "C", value, text
"""


class Read(NamedTuple):
    """
    What one reader did.

    seconds     from before the connection to after the last row
    cpu_s       of the reader, without the server
    grown_bytes how much its peak memory (RSS) grew
    rows, total how many rows, and the sum of their numbers
    """

    seconds: float
    cpu_s: float
    grown_bytes: int
    rows: int
    total: float


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where PostgreSQL is missing or what is read is wrong."""
    rows, rounds = (QUICK_ROWS, 2) if quick else (ROWS, 3)
    lacking = [name for name in ('pandas', 'sqlalchemy') if not importlib.util.find_spec(name)]
    readers = [OURS, CURSOR] + ([] if lacking else [PANDAS])
    progress = report.console(error=True)
    found: dict[str, list[Read]] = {name: [] for name in readers}
    with TemporaryDirectory(prefix='twinsight_bench_') as name:
        Path(name).chmod(0o711)  # PostgreSQL runs as another user where we are root
        with database_server(Path(name) / 'data', durable=False) as server:
            versions = _fill(server.url, rows)
            for turn in range(rounds):
                for reader in readers[turn % len(readers):] + readers[:turn % len(readers)]:
                    with progress.status(f'{reader}: round {turn + 1} of {rounds}'):
                        found[reader].append(_run(reader, server.url))
    _check(found, rows)
    best = {name: min(reads) for name, reads in found.items()}
    title = f'{rows:,} rows of {METRICS} metrics, best of {rounds} · {machine.line()} · {versions}'
    shown: list[Any] = [_table(title, best)]
    if lacking:
        shown.append(f'not measured: pandas.read_sql ({" and ".join(lacking)} not installed)')
    numbers = {
        'machine': machine.line(), 'database': versions, 'rows': rows,
        'reads': {name: [each._asdict() for each in reads] for name, reads in found.items()},
        'times_as_fast': _ratios(best),
    }
    return Measured(shown, numbers)


def _fill(url: str, rows: int) -> str:
    versions = Database(url).versions
    with connect(PostgresSettings(url, timeout_s=300.0)) as connection:
        migrate(connection)
        connection.execute(_FILL.format(rows=rows, metrics=METRICS).encode())
        connection.execute('VACUUM ANALYZE metric')
    return versions


def _run(reader: str, url: str) -> Read:
    """Read in a process of its own, so that nobody pays for another's memory."""
    done = subprocess.run(
        [sys.executable, '-m', 'bench.metrics.read_history', '--reader', reader, url],
        capture_output=True, text=True,
    )
    if done.returncode:
        raise ToolError(f'{reader} failed: {done.stderr.strip().splitlines()[-1]}')
    return Read(*json.loads(done.stdout))


def _read(reader: str, url: str) -> Read:
    read = _READERS[reader]
    read(url, _START_NS + 10**9)  # what is imported and made once costs nobody anything
    before, cpu, start = _peak_bytes(), time.process_time(), time.perf_counter()
    rows, total = read(url, 2**62)
    return Read(
        time.perf_counter() - start, time.process_time() - cpu, _peak_bytes() - before, rows, total
    )


def _ours(url: str, to_ns: int) -> tuple[int, float]:
    rows, total = 0, 0.0
    selection = Selection(robots=(ROBOT,), to_ns=to_ns)
    for batch in history_batches(PostgresSettings(url), selection, resolution='raw'):
        rows += batch.num_rows
        total += batch.column('value').drop_null().to_numpy().sum()
    return rows, float(total)


def _cursor(url: str, to_ns: int) -> tuple[int, float]:
    rows, total = 0, 0.0
    with psycopg.connect(url) as connection, connection.cursor('read') as cursor:
        cursor.execute(_query(to_ns).encode())
        while fetched := cursor.fetchmany(_ROWS_A_FETCH):
            rows += len(fetched)
            total += sum(row[4] for row in fetched if row[4] is not None)
    return rows, total


def _pandas(url: str, to_ns: int) -> tuple[int, float]:
    import pandas
    import sqlalchemy

    engine = sqlalchemy.create_engine(url.replace('postgresql:', 'postgresql+psycopg:', 1))
    with engine.connect() as connection:
        frame = pandas.read_sql(sqlalchemy.text(_query(to_ns)), connection)
    return len(frame), float(frame['value'].sum())


_READERS: dict[str, Callable[[str, int], tuple[int, float]]] = {
    OURS: _ours, CURSOR: _cursor, PANDAS: _pandas
}


def _query(to_ns: int) -> str:
    return _QUERY.format(to=min(to_ns // 10**9, 4 * 10**9))


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _check(found: dict[str, list[Read]], rows: int) -> None:
    answers = {(each.rows, each.total) for reads in found.values() for each in reads}
    if len(answers) != 1 or next(iter(answers))[0] != rows:
        raise ToolError(f'the readers read differently: {sorted(answers)}, stored are {rows}')


def _ratios(best: dict[str, Read]) -> dict[str, float]:
    """Return how many times as fast ours is as each."""
    return {name: each.seconds / best[OURS].seconds for name, each in best.items()}


def _table(title: str, best: dict[str, Read]) -> Table:
    table = Table(title=title)
    table.add_column('reader')
    for heading in ('rows/s', 's', 'CPU s', 'memory grew by MB', 'ours is faster by'):
        table.add_column(heading, justify='right')
    for name, ratio in _ratios(best).items():
        each = best[name]
        table.add_row(
            name, f'{each.rows / each.seconds:,.0f}', f'{each.seconds:.2f}', f'{each.cpu_s:.2f}',
            f'{each.grown_bytes / 1e6:,.0f}', '' if name == OURS else f'{ratio:.1f}×',
        )
    return table


def main() -> int:
    """Measure and print; or be one of the readers."""
    if sys.argv[1:2] == ['--reader']:
        print(json.dumps(_read(*sys.argv[2:4])))
        return 0
    return report.run_part('metrics.read_history', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
