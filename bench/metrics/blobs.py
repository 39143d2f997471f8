"""
Blobs of 1 MB written and read: ReductStore, PostgreSQL or TimescaleDB, and plain files.

All take turns in each round, in another order each time: what else the machine does falls on
all alike. A blob is random, each is compared with what was written. What is written is also
brought to the disk (sync), and that time is told too: not all of them wait for the disk by
themselves. Reading is from the page cache for all. One client, one request at a time. A short
round before the first is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, ExitStack
import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any

import psycopg
from rich.table import Table

from bench import machine, report
from bench.others import Others
from bench.process import cpu_s
from bench.reduct_server import reduct_server
from bench.report import Measured
from twinsight_tools.messages import ToolError

from .blob_stores import (
    BareReduct,
    Blob,
    BlobStore,
    CopiedRows,
    Files,
    InsertedRows,
    OurStore,
    TOGETHER,
)
from .database import tree_cpu_s
from .servers import Database, database_server, shown

SIZE = 1_000_000
PERIOD_NS = 20_000_000
"""Between two blobs: a stream of 50 Hz."""

CLAIMED_WRITE, CLAIMED_READ = 17.0, 7.7
"""What ReductStore's makers publish: up to so many times as fast as TimescaleDB."""

WRITE, SYNCED, READ = DONE = ('write', 'write and sync', 'read')
_SETTINGS = ('shared_buffers', 'max_wal_size', 'wal_level', 'full_page_writes')

Rates = dict[str, dict[str, list[float]]]
"""Title of a store → what was done → MB/s, one for each round."""


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a server is missing or what is read is wrong."""
    count, rounds = (24, 2) if quick else (96, 5)
    blobs = _blobs(count)
    progress = report.console(error=True)
    with TemporaryDirectory(prefix='twinsight_bench_') as name, _stores(Path(name)) as found:
        stores, about = found
        rates: Rates = {store.title: _nothing() for store in stores}
        _round(stores, blobs[:TOGETHER], {store.title: _nothing() for store in stores})
        others = Others(about.pop('ours'))
        for turn in range(rounds):
            with progress.status(f'blobs: round {turn + 1} of {rounds}'):
                _round(stores[turn % len(stores):] + stores[:turn % len(stores)], blobs, rates)
        about['other_cores'] = others.cores()
    title = (
        f'{count} blobs of 1 MB, medians of {rounds} rounds (least–most) · {machine.line()} · '
        f'{about["database"]}'
    )
    numbers = {
        'machine': machine.line(), 'blobs': count, 'bytes': SIZE, **about,
        'mb_per_s': rates, 'ratios': _ratios(rates),
        'claimed': {WRITE: CLAIMED_WRITE, READ: CLAIMED_READ},
    }
    return Measured(
        [_speeds(title, stores, rates), _comparison(rates), _notes(about)], numbers
    )


def _nothing() -> dict[str, list[float]]:
    return {what: [] for what in DONE}


def _blobs(count: int) -> list[Blob]:
    start_ns = time.time_ns() // 1000 * 1000 - count * PERIOD_NS
    return [
        Blob(start_ns + number * PERIOD_NS, os.urandom(SIZE)) for number in range(count)
    ]


@contextmanager
def _stores(folder: Path) -> Iterator[tuple[list[BlobStore], dict[str, Any]]]:
    """Give all stores, and what has to be known of their servers."""
    # The server of the database may belong to another user.
    folder.chmod(0o755)
    with ExitStack() as stack:
        reduct = stack.enter_context(reduct_server(folder))
        usual = stack.enter_context(database_server(folder / 'usual', durable=True))
        unsafe = stack.enter_context(database_server(folder / 'unsafe', durable=False))
        database = Database(usual.url)
        Database(unsafe.url)
        name, hyper = database.name, bool(database.extension)
        on_disk, in_server = 'on the disk', 'in the memory of the server'
        relaxed = CopiedRows(
            usual.url, 'relaxed', name, 'synchronous_commit off', in_server, hyper
        )
        relaxed.set('synchronous_commit', 'off')
        stores: list[BlobStore] = [
            OurStore(reduct.url),
            BareReduct(reduct.url),
            InsertedRows(usual.url, 'inserted', name, 'fsync on', on_disk, hyper),
            CopiedRows(usual.url, 'copied', name, 'fsync on', on_disk, hyper),
            relaxed,
            CopiedRows(unsafe.url, 'copied', name, 'fsync off', 'in the page cache', hyper),
            Files(folder / 'files'),
        ]
        for store in stores:
            stack.callback(store.close)
        with psycopg.connect(usual.url) as connection:
            settings = {each: shown(connection, each) for each in _SETTINGS}
        ours = [
            lambda: cpu_s(reduct.pid), lambda: tree_cpu_s(usual.pid),
            lambda: tree_cpu_s(unsafe.pid),
        ]
        yield stores, {'database': database.versions, 'settings': settings, 'ours': ours}


def _round(stores: Sequence[BlobStore], blobs: Sequence[Blob], rates: Rates) -> None:
    megabytes = len(blobs) * SIZE / 1e6
    from_ns, to_ns = blobs[0].time_ns, blobs[-1].time_ns + 1000
    expected = [blob.data for blob in blobs]
    for store in stores:
        os.sync()  # what the one before left is not this one's
        start_s = time.perf_counter()
        store.write(blobs)
        written_s = time.perf_counter()
        os.sync()
        synced_s = time.perf_counter()
        rates[store.title][WRITE].append(megabytes / (written_s - start_s))
        rates[store.title][SYNCED].append(megabytes / (synced_s - start_s))
    for store in stores:
        start_s = time.perf_counter()
        found = store.read(from_ns, to_ns)
        rates[store.title][READ].append(megabytes / (time.perf_counter() - start_s))
        if found != expected:
            raise ToolError(f'{store.title}: what was read is not what was written')
    for store in stores:
        store.clear()


def _ratios(rates: Rates) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Return one of ReductStore's → another store → what was done → ratios of the rounds."""
    ours = (OurStore.title, BareReduct.title)
    return {
        one: {
            other: {
                what: [a / b for a, b in zip(rates[one][what], of_other[what], strict=True)]
                for what in DONE
            }
            for other, of_other in rates.items() if other not in ours
        }
        for one in ours
    }


def _speeds(title: str, stores: Sequence[BlobStore], rates: Rates) -> Table:
    table = Table(title=title)
    table.add_column('store')
    table.add_column('a blob acknowledged is')
    for heading in ('write MB/s', 'write and sync MB/s', 'read MB/s'):
        table.add_column(heading, justify='right')
    for store in stores:
        cells = (report.spread(rates[store.title][what]) for what in DONE)
        table.add_row(store.title, store.durability, *cells)
    return table


def _comparison(rates: Rates) -> Table:
    table = Table(title='ReductStore, times as fast: medians of the ratios in the same round')
    table.add_column('beside')
    for client in ('twinsight_store', 'reduct-py'):
        for what in DONE:
            table.add_column(f'{client}:\n{what}', justify='right')
    ratios = _ratios(rates)
    for other in next(iter(ratios.values())):
        pairs = [of_one[other] for of_one in ratios.values()]
        cells = (report.number(report.median(pair[what])) for pair in pairs for what in DONE)
        table.add_row(other, *cells)
    table.add_section()
    claimed = {WRITE: f'up to {CLAIMED_WRITE:g}', READ: f'up to {CLAIMED_READ:g}'}
    table.add_row(
        'published by ReductStore, of TimescaleDB', '', '', '',
        *(claimed.get(what, '') for what in DONE),
    )
    return table


def _notes(about: dict[str, Any]) -> str:
    settings = ', '.join(f'{name} {value}' for name, value in about['settings'].items())
    return (
        f'{about["database"]}: {settings}; bytea with STORAGE EXTERNAL, index on (robot_id, '
        f'topic, time). INSERT: a row a commit, read with a cursor; COPY: {TOGETHER} rows a '
        f'commit, read with COPY TO; both binary. ReductStore: {TOGETHER} blobs a request. '
        f'Other programs kept {report.number(about["other_cores"])} cores busy meanwhile.'
    )


def main() -> int:
    """Measure blobs; return the exit code."""
    return report.run_part('metrics.blobs', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
