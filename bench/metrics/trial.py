"""
One trial: a load, the metrics recorder, Redis and PostgreSQL, and what became of the samples.

Every topic counts its messages in one of its metrics, so that what lies in the database can be
compared with what was published.
"""

from __future__ import annotations

from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import statistics
import sys
from tempfile import TemporaryDirectory
import time

import redis

from bench.process import busy_s, cpu_s, Process, ROOT
from twinsight_store.history.postgres import URL_VARIABLE as POSTGRES_VARIABLE
from twinsight_store.live.connection import URL_VARIABLE as REDIS_VARIABLE
from twinsight_tools.private import PrivateServer
from twinsight_tools.ros_domain import own_ros_domain

from .database import fresh_database, tree_cpu_s
from .delays import Delays, POSTGRES, REDIS, Seen
from .load import Load
from .stored import compared, in_postgres, in_redis

ROBOT = 'bench'

_READY_S = 40.0
_MATCH_S = 40.0
_PUBLISHED_S = 60.0
_END_S = 180.0
_FULL_RATE = 0.97
_SETTLED_S = 3.0
"""What the first seconds show is the start."""

_MOST_GROWN_S = 0.3
"""A queue grows by more than this in 20 s, also where the rate is a few percent too high."""


@dataclass
class Outcome:
    """
    What became of one load; dicts are by store or process.

    publish_hz  samples a second that were really published
    full_rate   whether that is the rate that was asked for
    delays      seconds since the load began, and how old the newest sample was then (s)
    grown_s     by how much that age was more in the last third than in the first
    drain_s     from the end of publishing until both stores had the last sample; None: never
    missing     samples that were published and are not there
    again       samples that are there more than once
    cpu         share of a core while the load was published
    """

    load: Load
    publish_hz: float = 0.0
    full_rate: bool = True
    delays: dict[str, Seen] = field(default_factory=dict)
    grown_s: dict[str, float] = field(default_factory=dict)
    drain_s: float | None = None
    missing: dict[str, int] = field(default_factory=dict)
    again: dict[str, int] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    other_cores: float = 0.0
    recorder_says: str = ''

    @property
    def lossless(self) -> bool:
        """Return whether the rate was sustained: all is there, once, and nothing queued up."""
        return not (
            any(self.missing.values()) or any(self.again.values()) or self.drain_s is None
            or max(self.grown_s.values(), default=0.0) > _MOST_GROWN_S
        )

    @property
    def verdict(self) -> str:
        """Return in a few words whether the rate was sustained, and if not why."""
        if self.lossless:
            return 'sustained' if self.full_rate else 'sustained, publisher at its limit'
        missing, again = sum(self.missing.values()), sum(self.again.values())
        grown = (f'{store} {grown_s:+.2f} s' for store, grown_s in self.grown_s.items())
        reasons = {
            f'{missing:,} samples missing': missing,
            f'{again:,} twice': again,
            f'the delay grew: {", ".join(grown)}': (
                max(self.grown_s.values(), default=0.0) > _MOST_GROWN_S
            ),
            'the last one did not come': self.drain_s is None,
        }
        return '; '.join(reason for reason, holds in reasons.items() if holds)

    def delay_s(self, store: str) -> float | None:
        """Return the median age of the newest sample in a store, once the load is under way."""
        values = [delay_s for _, delay_s in _settled(self.delays[store])]
        return statistics.median(values) if values else None


class Bench:
    """Where trials run: the servers, and a folder for what recorders keep on disk."""

    def __init__(self, database: PrivateServer, live: PrivateServer, folder: Path) -> None:
        self.database = database
        self._live = live
        self._folder = folder

    def run(self, load: Load) -> Outcome:
        """Run one trial on empty stores; raises ToolError where a process fails."""
        with fresh_database(self.database.url) as url, own_ros_domain() as number, \
                TemporaryDirectory(dir=self._folder) as home, \
                redis.Redis.from_url(self._live.url) as live:
            live.flushall()
            env = {
                **os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_HOME': home,
                'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds.xml'),
                'ROS_DOMAIN_ID': str(number), POSTGRES_VARIABLE: url,
                REDIS_VARIABLE: self._live.url,
            }
            outcome = Outcome(load)
            # Redis keeps all of it, so that all of it can be counted.
            command = recorder_command(f'live.stream_length:={2 * load.messages}')
            with Process('recorder', command, env, self._log('recorder'), False) as node:
                with Delays(url, live, ROBOT) as delays:
                    delays.wait_for_recorder(node, _READY_S)
                    self._publish(load, node, env, delays, outcome)
                node.end(_END_S)
            outcome.recorder_says = node.tail()
            held = {POSTGRES: in_postgres(url, ROBOT), REDIS: in_redis(live, ROBOT)}
            for store, found in held.items():
                outcome.missing[store], outcome.again[store] = compared(found, load)
        return outcome

    def _publish(
        self, load: Load, node: Process, env: dict[str, str], delays: Delays, outcome: Outcome
    ) -> None:
        command = [sys.executable, '-m', 'bench.metrics.publisher', load.to_json()]
        with Process('publisher', command, env, self._log('publisher')) as publisher:
            publisher.line(_MATCH_S, beside=node)  # it says "matched"
            before, machine_s = self._cpu_s(node, publisher), busy_s()
            start_s = time.monotonic()
            delays.begin()
            publisher.go()
            sent = json.loads(publisher.line(load.seconds + _PUBLISHED_S, beside=node))
            took_s = time.monotonic() - start_s
            delays.end()
            busy = busy_s() - machine_s
            after = self._cpu_s(node, publisher)
            outcome.cpu = {name: (after[name] - before[name]) / took_s for name in after}
            outcome.other_cores = max(0.0, busy / took_s - sum(outcome.cpu.values()))
            outcome.publish_hz = load.samples / sent['took_s']
            outcome.full_rate = outcome.publish_hz >= _FULL_RATE * load.samples_per_s
            # What is seen after the last message was published is the end, not the load.
            outcome.delays = {
                store: [each for each in seen if each[0] <= sent['took_s']]
                for store, seen in delays.seen.items()
            }
            outcome.grown_s = {store: _grown_s(seen) for store, seen in outcome.delays.items()}
            outcome.drain_s = delays.wait_for_last(load.rounds - 1)

    def _cpu_s(self, node: Process, publisher: Process) -> dict[str, float]:
        return {
            'recorder': node.cpu_s(), 'publisher': publisher.cpu_s(),
            POSTGRES: tree_cpu_s(self.database.pid), REDIS: cpu_s(self._live.pid),
            'benchmark': time.process_time(),
        }

    def _log(self, name: str) -> Path:
        return self._folder / f'{name}.log'


def recorder_command(*parameters: str) -> list[str]:
    """Return the command of the metrics recorder, as it comes but for these parameters."""
    command = [sys.executable, '-m', 'twinsight_recorder.metrics_recorder', '--ros-args']
    for parameter in (f'robot_id:={ROBOT}', *parameters):
        command += ['-p', parameter]
    return command


def _settled(seen: Seen) -> Seen:
    return [each for each in seen if each[0] >= _SETTLED_S]


def _grown_s(seen: Seen) -> float:
    """Return how much later the samples of the last third came than those of the first."""
    delays_s = [delay_s for _, delay_s in _settled(seen)]
    third = len(delays_s) // 3
    if not third:
        return 0.0
    return statistics.median(delays_s[-third:]) - statistics.median(delays_s[:third])
