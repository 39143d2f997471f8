"""
How fast a replay goes with --rate inf: messages and megabytes a second.

The player takes messages from ReductStore or from a plain MCAP file that to_mcap made of the same
recording (read by the MCAP library, in the order of time), and plays them to topics that a process
is subscribed to, to topics that nobody hears, or to nothing. All take turns in each round, in the
other direction every second time, and ratios are of the same round. The limit is the same records
read over HTTP and not taken apart. Reading is from the page cache for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
import json
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.table import Table
from twinsight_demo.child import executable

from bench import machine, report
from bench.loads import BYTES, Stream
from bench.others import Others
from bench.process import cpu_s
from bench.reduct_server import reduct_server
from bench.report import Measured
from twinsight_store.connection import StoreSettings
from twinsight_tools.messages import ToolError

from .recording import record, Recording
from .trial import Bench, END_S, heard, READY_S

_SMALL_BYTES = (100, 100, 200, 200, 500, 500, 1000, 1000)
_PLAY_S = 300.0


class Case(NamedTuple):
    """What is played, or read, to where; see play."""

    source: str
    sink: str

    @property
    def title(self) -> str:
        """Return it for people."""
        source = {
            'bucket': 'ReductStore', 'thread': 'ReductStore, read in a thread',
            'file': 'MCAP file', 'records': 'bare records',
        }
        sink = {
            'listener': 'topics, one subscriber', 'topics': 'topics, no subscriber',
            'nothing': 'nothing',
        }
        return f'{source[self.source]} → {sink[self.sink]}'


LIMIT = Case('records', 'nothing')
CASES = tuple(
    Case(source, sink) for sink in ('listener', 'topics', 'nothing')
    for source in ('bucket', 'file')
) + (Case('thread', 'nothing'), LIMIT)

Round = dict[Case, dict[str, float]]
"""Messages, bytes, seconds and processor time of each case, and what arrived of it."""


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a server is missing or a process fails."""
    rounds, share = (2, 0.3) if quick else (5, 1.0)
    shown, numbers = [], []
    for title, streams, seconds in (
        ('1 MB messages', (Stream('/bench/big', BYTES, 1_000_000, 100.0),), 8.0 * share),
        ('100 B to 1 kB messages, 8 topics', tuple(
            Stream(f'/bench/small_{number}', BYTES, size, 2500.0)
            for number, size in enumerate(_SMALL_BYTES)
        ), 15.0 * share),
    ):
        with TemporaryDirectory(prefix='twinsight_bench_') as name, \
                reduct_server(Path(name)) as server:
            facts = machine.describe(server.url)
            recording = Recording(StoreSettings(server.url), streams, seconds)
            bench = _Bench(Bench(server, Path(name)), recording)
            others = Others([lambda: cpu_s(server.pid)])  # noqa: B023
            found = bench.run(title, rounds)
            other_cores = others.cores()
        about = (
            f'rate inf: {recording.messages:,} {title}, {rounds} rounds · {machine.line(facts)} '
            f'· other programs kept {report.number(other_cores)} cores busy'
        )
        shown.append(_table(about, found))
        numbers.append({
            'title': title, 'machine': facts, 'other_cores': other_cores,
            'rounds': [[{**case._asdict(), **of_case} for case, of_case in each.items()]
                       for each in found],
        })
    return Measured(shown, {'loads': numbers})


class _Bench:
    def __init__(self, bench: Bench, recording: Recording) -> None:
        self._bench = bench
        self._recording = recording
        self._file = bench.folder / 'recording.mcap'

    def run(self, title: str, rounds: int) -> list[Round]:
        """Record, export, and play in rounds."""
        progress = report.console(error=True)
        found: list[Round] = []
        with progress.status(f'throughput: {title}: recording'):
            record(self._recording, self._bench.folder)
            self._export()
        for turn in range(rounds):
            of_round: Round = {}
            for case in CASES[::-1] if turn % 2 else CASES:
                with progress.status(f'{title}: {case.title}, {turn + 1} of {rounds}'):
                    of_round[case] = self._play(case)
            found.append(of_round)
        return found

    def _export(self) -> None:
        command = executable(
            'twinsight_replay', 'to_mcap', '--bucket', self._recording.settings.bucket,
            '--no-metrics', str(self._file),
        )
        with self._bench.domain() as env:
            done = subprocess.run(command, env=env, capture_output=True, text=True)
        if done.returncode:
            raise ToolError(f'to_mcap failed: {done.stderr.strip()}')

    def _play(self, case: Case) -> dict[str, float]:
        command = [
            sys.executable, '-m', 'bench.replay.play', *case,
            '--bucket', self._recording.settings.bucket, '--file', str(self._file),
        ]
        with self._bench.domain() as env, ExitStack() as stack:
            listener = None
            if case.sink == 'listener':
                listener = stack.enter_context(
                    self._bench.listener(self._recording.streams, env)
                )
                listener.line(READY_S)  # it says "listening"
            player = stack.enter_context(self._bench.process('player', command, env))
            if listener is not None:
                listener.line(READY_S, beside=player)  # it says "began"
            found: dict[str, float] = json.loads(player.output(_PLAY_S + END_S))
            found.setdefault('messages', self._recording.messages)
            if listener is not None:
                found['arrived'] = sum(map(len, heard(listener)[0].values()))
        if found['messages'] != self._recording.messages:
            raise ToolError(
                f'{case.title}: {found["messages"]} messages where '
                f'{self._recording.messages} were recorded'
            )
        return found


def _table(title: str, rounds: Sequence[Round]) -> Table:
    table = Table(title=title)
    table.add_column('')
    for heading in (
        'messages/s', 'MB/s', 'µs CPU a message', 'arrived %', 'of the limit', 'of the MCAP file',
        'peak RSS MB',
    ):
        table.add_column(heading, justify='right')
    for case in CASES:
        mine = [each[case] for each in rounds]
        cells: list[Sequence[float]] = [
            [each['messages'] / each['took_s'] for each in mine],
            [each['bytes'] / each['took_s'] / 1e6 for each in mine],
            [each['cpu_s'] / each['messages'] * 1e6 for each in mine],
            [100 * each['arrived'] / each['messages'] for each in mine if 'arrived' in each],
            _ratios(rounds, case, LIMIT),
            _ratios(rounds, case, case._replace(source='file')),
            [each['peak_bytes'] / 1e6 for each in mine],
        ]
        table.add_row(case.title, *map(report.spread, cells))
        if case.source == 'file':
            table.add_section()
    return table


def _ratios(rounds: Sequence[Round], case: Case, other: Case) -> list[float]:
    """Return how many times as fast a case is as another one of the same round."""
    if case in (other, LIMIT):
        return []
    return [each[other]['took_s'] / each[case]['took_s'] for each in rounds]


def main() -> int:
    """Measure throughput; return the exit code."""
    return report.run_part('replay.throughput', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
