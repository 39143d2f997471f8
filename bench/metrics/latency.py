"""
How long it takes from publishing a message until its values are visible, at a robot's rates.

The simulated robot publishes with its standard rates and notes the time just before each message
goes to the middleware. The metrics recorder runs as it comes. A process subscribed to Redis notes
when each value comes, and ten times a second asks the hash for it too; PostgreSQL is asked every
10 ms for what is new, which is part of what is measured. The n-th value of a metric belongs to
the n-th message of its topic. All clocks are this machine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
import json
import os
from pathlib import Path
import statistics
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any, NamedTuple

import psycopg
from rich.table import Table

from bench import machine, report
from bench.others import Others
from bench.process import cpu_s, Process, ROOT
from bench.report import Measured
from twinsight_store.history.postgres import URL_VARIABLE as POSTGRES_VARIABLE
from twinsight_store.live.connection import URL_VARIABLE as REDIS_VARIABLE
from twinsight_tools import processes
from twinsight_tools.messages import ToolError
from twinsight_tools.private import PrivateServer
from twinsight_tools.ros_domain import own_ros_domain

from .database import fresh_database, tree_cpu_s
from .servers import Database, database_server, redis_server
from .trial import recorder_command, ROBOT

TARGET_P99_MS = 20.0

RECEIVED, CHANNEL, HASH, DATABASE = WAYS = (
    'received by DDS', 'Redis pub/sub', 'Redis hash', 'database',
)

_POLL_S = 0.01
_LAST_ROWS_S = 2.0
_WAIT_S = 40.0
_MATCH_S = 4.0
_SKIPPED_S = 1.0
"""The first second is the start of both."""

_NEW = """
    SELECT watched.name, found.time
    FROM unnest(%s::text[], %s::timestamptz[]) AS watched (name, after)
    CROSS JOIN LATERAL (
        SELECT time FROM metric
        WHERE robot_id = %s AND name = watched.name AND time > watched.after ORDER BY time
    ) AS found
"""


class Watched(NamedTuple):
    """A metric that is looked at, and the topic that it comes from."""

    metric: str
    topic: str
    rate_hz: float


WATCHED = (
    Watched('odom.x', '/odom', 50.0),
    Watched('imu/data.angular_velocity_x', '/imu/data', 200.0),
    Watched('battery_state.voltage', '/battery_state', 1.0),
)

Delays = dict[str, dict[str, list[float]]]
"""Metric → way → milliseconds from publishing, one for each message."""


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a server is missing or a process fails."""
    seconds, repeats = (8.0, 1) if quick else (20.0, 3)
    progress = report.console(error=True)
    runs: list[Delays] = []
    others: list[float] = []
    with TemporaryDirectory(prefix='twinsight_bench_') as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server of the database may belong to another user
        with database_server(folder / 'postgres', durable=True) as server, \
                redis_server(folder) as live:
            about = Database(server.url).versions
            for turn in range(repeats):
                with progress.status(f'latency: run {turn + 1} of {repeats}'):
                    delays, cores = _run(server, live, folder, seconds)
                runs.append(delays)
                others.append(cores)
    numbers = {
        'machine': machine.line(), 'database': about, 'seconds': seconds, 'unit': 'ms',
        'runs': [
            {metric: {way: _percentiles(values) for way, values in ways.items()}
             for metric, ways in run.items()} for run in runs
        ],
        'target_p99_ms': TARGET_P99_MS, 'other_cores': others,
    }
    title = (
        f'ms from publishing until visible, {repeats} × {seconds:g} s, medians of the runs '
        f'(least–most) · {machine.line()} · {about}'
    )
    note = f'other programs kept {report.spread(others)} cores busy meanwhile'
    return Measured([_table(title, runs), note], numbers)


def _run(
    server: PrivateServer, live: PrivateServer, folder: Path, seconds: float
) -> tuple[Delays, float]:
    """Run robot, recorder and listener once; return the delays, and the cores others took."""
    ledger = folder / 'ledger.jsonl'
    with fresh_database(server.url) as url, own_ros_domain() as number, \
            TemporaryDirectory(dir=folder) as home:
        env = {
            **os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_HOME': home,
            'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds.xml'),
            'ROS_DOMAIN_ID': str(number), POSTGRES_VARIABLE: url, REDIS_VARIABLE: live.url,
        }
        names = [watched.metric for watched in WATCHED]
        listen = [sys.executable, '-m', 'bench.metrics.listener', live.url, ROBOT, *names]
        simulate = [
            sys.executable, '-m', 'twinsight_sim.sim_robot', '--ros-args',
            '-p', f'duration:={seconds}', '-p', f'wait_for_subscribers:={_MATCH_S}',
            '-p', f'ledger:={ledger}',
        ]
        record = recorder_command()
        with Process('recorder', record, env, folder / 'recorder.log', read=False) as node, \
                Process('listener', listen, env, folder / 'listener.log') as listener:
            listener.line(_WAIT_S)
            others = Others(
                [node.cpu_s, listener.cpu_s, lambda: tree_cpu_s(server.pid),
                 lambda: cpu_s(live.pid)]
            )
            in_database = _while_it_drives(simulate, env, folder / 'robot.log', url)
            cores = others.cores()
            listener.go()
            heard = json.loads(listener.line(_WAIT_S))
            node.end(_WAIT_S)
    return _delays(_published(ledger), heard, in_database), cores


def _while_it_drives(
    command: Sequence[str], env: dict[str, str], log: Path, url: str
) -> dict[str, list[int]]:
    """Run the robot to its end; return the times (Unix ns) at which rows were found, by metric."""
    robot = processes.start_tied(command, env, log)
    try:
        found: dict[str, list[int]] = {watched.metric: [] for watched in WATCHED}
        after = {watched.metric: datetime.now(timezone.utc) for watched in WATCHED}
        stop_s = None
        with psycopg.connect(url, autocommit=True) as connection:
            while stop_s is None or time.monotonic() < stop_s:
                time.sleep(_POLL_S)
                if stop_s is None and robot.poll() is not None:
                    stop_s = time.monotonic() + _LAST_ROWS_S
                rows = _new_rows(connection, after)
                now_ns = time.time_ns()
                for name, time_of_row in rows:
                    found[name].append(now_ns)
                    after[name] = time_of_row
        return found
    finally:
        robot.kill()
        robot.wait()


def _new_rows(
    connection: psycopg.Connection, after: dict[str, datetime]
) -> list[tuple[str, datetime]]:
    try:
        return connection.execute(_NEW, [list(after), list(after.values()), ROBOT]).fetchall()
    except psycopg.errors.UndefinedTable:
        return []  # the recorder has not made its tables yet


def _published(ledger: Path) -> dict[str, list[int]]:
    """Return when the messages of each topic were published (Unix ns)."""
    times: dict[str, list[int]] = {}
    for line in ledger.read_text().splitlines():
        entry = json.loads(line)
        if 'publish_ns' in entry:
            times.setdefault(entry['topic'], []).append(entry['publish_ns'])
    return times


def _delays(
    published: dict[str, list[int]], heard: dict[str, Any], in_database: dict[str, list[int]]
) -> Delays:
    """Return what belongs together; raises ToolError where a message or a value is missing."""
    delays: Delays = {}
    for watched in WATCHED:
        sent, came = published[watched.topic], heard['came'][watched.metric]
        found = in_database[watched.metric]
        if not len(sent) == len(came) == len(found):
            raise ToolError(
                f'{watched.metric}: {len(sent)} published, {len(came)} came through Redis, '
                f'{len(found)} are in the database'
            )
        skipped = round(_SKIPPED_S * watched.rate_hz)
        numbered = {
            RECEIVED: enumerate(received_ns for received_ns, _ in came),
            CHANNEL: enumerate(came_ns for _, came_ns in came),
            HASH: heard['in_hash'][watched.metric],
            DATABASE: enumerate(found),
        }
        delays[watched.metric] = {
            way: [
                (at_ns - sent[position]) / 1e6 for position, at_ns in times if position >= skipped
            ]
            for way, times in numbered.items()
        }
    return delays


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method='inclusive') if len(values) > 1 else values
    return {
        'p50': statistics.median(values), 'p99': cuts[-1], 'max': max(values), 'n': len(values)
    }


def _table(title: str, runs: Sequence[Delays]) -> Table:
    table = Table(title=title)
    table.add_column('metric')
    table.add_column('visible in')
    for heading in ('values a run', 'p50', 'p99', 'worst', 'wanted p99'):
        table.add_column(heading, justify='right')
    for watched in WATCHED:
        for way in WAYS:
            found = [_percentiles(run[watched.metric][way]) for run in runs]
            table.add_row(
                f'{watched.metric}, {watched.rate_hz:g} Hz' if way == WAYS[0] else '', way,
                report.number(report.median([each['n'] for each in found])),
                *(report.spread([each[name] for each in found]) for name in ('p50', 'p99')),
                report.number(max(each['max'] for each in found)),
                f'{TARGET_P99_MS:g}' if way in (CHANNEL, HASH) else '',
            )
        table.add_section()
    return table


def main() -> int:
    """Measure the latency; return the exit code."""
    return report.run_part('metrics.latency', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
