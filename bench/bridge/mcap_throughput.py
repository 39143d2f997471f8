"""
How fast GET /mcap gives a selection, beside what the store gives at best.

The limit is the same records read over HTTP from ReductStore and not taken apart, by a process of
its own. The file comes from the api command to a client that drops it, whole: opened for the first
time, when its plan is made, and again, when that is kept. Both take turns in each round, in the
other direction every second time, and ratios are of the same round. Then parts of 1 MB are read at
random places, as a viewer does that seeks. Reading is from the page cache for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import json
import os
from pathlib import Path
import random
import socket
import sys
from tempfile import TemporaryDirectory
import time
from typing import NamedTuple
from urllib.parse import urlsplit

from rich.table import Table

from bench import loads, machine, report
from bench.loads import BYTES, Stream
from bench.others import Others
from bench.process import cpu_s, Process
from bench.reduct_server import reduct_server
from bench.replay.recording import record, Recording
from bench.report import Measured
from twinsight_store.connection import StoreSettings, TOKEN_VARIABLE, URL_VARIABLE
from twinsight_store.history.postgres import URL_VARIABLE as POSTGRES_URL_VARIABLE
from twinsight_tools.messages import ToolError

_READY_S = 40.0
_READ_S = 300.0
_PART_BYTES = 1_000_000
_PARTS = 40
_SMALL_BYTES = (100, 100, 200, 200, 500, 500, 1000, 1000)
_CASES = ('bare records', 'GET /mcap, first', 'GET /mcap, again')

Numbers = dict[str, float]


class _Load(NamedTuple):
    title: str
    streams: tuple[Stream, ...]
    seconds: float


def _loads(share: float) -> Iterator[_Load]:
    yield _Load('1 MB messages', (Stream('/bench/big', BYTES, 1_000_000, 100.0),), 8.0 * share)
    robot = next(load for load in loads.LOADS if load.name == 'robot')
    yield _Load('messages of the standard robot', robot.streams, 30.0 * share)
    yield _Load('100 B to 1 kB messages, 8 topics', tuple(
        Stream(f'/bench/small_{number}', BYTES, size, 2500.0)
        for number, size in enumerate(_SMALL_BYTES)
    ), 15.0 * share)


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a server is missing or a process fails."""
    rounds, share = (2, 0.3) if quick else (5, 1.0)
    shown, numbers = [], []
    for load in _loads(share):
        with TemporaryDirectory(prefix='twinsight_bench_') as name, \
                reduct_server(Path(name)) as server:
            facts = machine.describe(server.url)
            recording = Recording(StoreSettings(server.url), load.streams, load.seconds)
            with report.console(error=True).status(f'mcap: {load.title}: recording'):
                record(recording, Path(name))
            others = Others([lambda: cpu_s(server.pid)])  # noqa: B023
            bench = _Bench(Path(name), recording)
            found = [bench.round(turn) for turn in range(rounds)]
            other_cores = others.cores()
        shown.append(_table(
            f'GET /mcap: {recording.messages:,} {load.title}, {rounds} rounds · '
            f'{machine.line(facts)} · other programs kept {report.number(other_cores)} cores busy',
            found,
        ))
        numbers.append({
            'title': load.title, 'machine': facts, 'other_cores': other_cores, 'rounds': found,
        })
    return Measured(shown, {'loads': numbers})


class _Bench:
    def __init__(self, folder: Path, recording: Recording) -> None:
        self._folder = folder
        self._bucket = recording.settings.bucket
        self._env = {
            **os.environ, URL_VARIABLE: recording.settings.url, POSTGRES_URL_VARIABLE: '',
        }
        self._env.pop(TOKEN_VARIABLE, None)

    def round(self, turn: int) -> dict[str, Numbers]:  # noqa: A003
        """Return what was measured of each case, and of the parts."""
        found: dict[str, Numbers] = {}
        with report.console(error=True).status(f'mcap: round {turn + 1}'):
            if turn % 2:
                found[_CASES[0]] = self._records()
            with self._api() as (api, address):
                for case in _CASES[1:]:
                    before_s = api.cpu_s()
                    found[case] = _got(address, 'bytes=0-' if case == _CASES[2] else None)
                    found[case]['cpu_s'] = api.cpu_s() - before_s
                size = int(found[case]['bytes'])
                found['parts'] = _parts(address, size, random.Random(turn))
                found[case]['peak_bytes'] = api.memory[-1].peak
            if not turn % 2:
                found[_CASES[0]] = self._records()
        return found

    def _records(self) -> Numbers:
        command = [
            sys.executable, '-m', 'bench.replay.play', 'records', 'nothing',
            '--bucket', self._bucket,
        ]
        with self._process('records', command) as process:
            found: Numbers = json.loads(process.output(_READ_S))
            return found

    @contextmanager
    def _api(self) -> Iterator[tuple[Process, tuple[str, int]]]:
        """Give a server that has planned nothing yet, and its address."""
        command = [
            sys.executable, '-m', 'twinsight_bridge.api', '--port', '0', '--bucket', self._bucket,
        ]
        with self._process('api', command) as process:
            url = urlsplit(process.line(_READY_S).split()[1])
            assert url.hostname and url.port
            yield process, (url.hostname, url.port)
            process.end(_READY_S)

    def _process(self, name: str, command: Sequence[str]) -> Process:
        return Process(name, command, self._env, self._folder / f'{name}.log')


def _got(address: tuple[str, int], part: str | None) -> Numbers:
    """
    Get the file, or a part of it, and drop it.

    Returns bytes, seconds until the first of them and seconds for all.
    """
    asked = f'GET /mcap HTTP/1.1\r\nHost: {address[0]}\r\nConnection: close\r\n'
    asked += f'Range: {part}\r\n' if part else ''
    start_s = time.monotonic()
    with socket.create_connection(address, _READ_S) as connection:
        connection.sendall(f'{asked}\r\n'.encode())
        buffer = bytearray(1 << 20)
        head = b''
        while b'\r\n\r\n' not in head:
            got = connection.recv(4096)
            if not got:
                raise ToolError(f'api ended its answer early: {head!r}')
            head += got
        first_s = time.monotonic() - start_s
        head, _, beginning = head.partition(b'\r\n\r\n')
        fields = dict(line.split(b': ', 1) for line in head.lower().split(b'\r\n')[1:])
        wanted, size = int(fields[b'content-length']), len(beginning)
        while got_bytes := connection.recv_into(buffer):
            size += got_bytes
    if head.split()[1] not in (b'200', b'206') or size != wanted:
        raise ToolError(f'api gave {size} of {wanted} bytes: {head.decode()}')
    return {'bytes': size, 'first_s': first_s, 'took_s': time.monotonic() - start_s}


def _parts(address: tuple[str, int], size: int, chosen: random.Random) -> Numbers:
    """Return quantiles of the time (s) that a part at a random place takes."""
    took_s = []
    for _ in range(_PARTS):
        start = chosen.randrange(max(size - _PART_BYTES, 1))
        end = min(start + _PART_BYTES, size) - 1
        took_s.append(_got(address, f'bytes={start}-{end}')['took_s'])
    took_s.sort()
    return {'p50_s': took_s[len(took_s) // 2], 'p95_s': took_s[len(took_s) * 95 // 100]}


def _table(title: str, rounds: Sequence[dict[str, Numbers]]) -> Table:
    table = Table(title=title)
    table.add_column('')
    for heading in (
        'MB/s', 'of the limit', 'first byte ms', 'CPU ms a MB', 'peak RSS MB', '1 MB part ms, p50',
        'p95',
    ):
        table.add_column(heading, justify='right')
    for case in _CASES:
        mine = [each[case] for each in rounds]
        parts = [each['parts'] for each in rounds] if case == _CASES[2] else []
        cells: list[list[float]] = [
            [each['bytes'] / each['took_s'] / 1e6 for each in mine],
            [each[_CASES[0]]['took_s'] / each[case]['took_s'] for each in rounds]
            if case != _CASES[0] else [],
            [1e3 * each['first_s'] for each in mine if 'first_s' in each],
            [1e9 * each['cpu_s'] / each['bytes'] for each in mine],
            [each['peak_bytes'] / 1e6 for each in mine if 'peak_bytes' in each],
            [1e3 * each['p50_s'] for each in parts],
            [1e3 * each['p95_s'] for each in parts],
        ]
        table.add_row(case, *map(report.spread, cells))
    return table


def main() -> int:
    """Measure; return the exit code."""
    return report.run_part('bridge.mcap_throughput', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
