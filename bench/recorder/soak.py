"""
The standard robot, while the store is killed again and again and the recorder twice.

At the end every message is read back. Missing may be only what was published while no recorder
was there, and at most the documented loss (pump.KILL_LOSS_MS) before a recorder was killed, and
the time for which a busy machine had kept it waiting by then; nothing may be there twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
import json
import os
from pathlib import Path
import signal
import sys
from tempfile import TemporaryDirectory
import time

from rich.console import Console
from rich.table import Table

from bench.loads import Load, LOADS
from bench.marks import read_mark
from bench.process import Process
from twinsight_recorder.raw.pump import KILL_LOSS_MS
from twinsight_store.connection import StoreSettings, URL_VARIABLE
from twinsight_store.errors import TwinsightError
from twinsight_store.read import read
from twinsight_store.selection import Selection
from twinsight_tools import reductstore
from twinsight_tools.messages import ToolError
from twinsight_tools.private import PrivateServer
from twinsight_tools.ros_domain import own_ros_domain

_EXAMPLE = """\
example:
  tools/env .venv/bin/python -m bench.recorder.soak --seconds 600
"""
_MATCH_TIMEOUT_S = 40.0
_END_TIMEOUT_S = 120.0
_STORE_AWAY_S = 3.0
_LOOKED_AT_S = 3.0  # before a recorder is killed: how long does the machine keep it waiting?
_HEARTBEAT_MS = 3000.0  # after which Fast DDS sends again what was lost, at the latest
_HISTORY_S = 5.0  # for that a publisher has to have it still
_ROBOT = 'soak'
_WIDTH = 140


@dataclass(frozen=True)
class Kill:
    """
    One recorder's end, and when the next one was there (Unix ns).

    waited_ms  how long in the last seconds it and the publisher waited for a processor
    """

    killed_ns: int
    back_ns: int
    waited_ms: float

    @property
    def allowed_ms(self) -> float:
        """
        Return from how long before the end messages may be missing.

        A recorder that is kept waiting finds some of them lost in DDS, which sends them again.
        """
        repair_ms = _HEARTBEAT_MS if self.waited_ms > KILL_LOSS_MS else 0.0
        return KILL_LOSS_MS + self.waited_ms + repair_ms


@dataclass
class Gap:
    """
    Consecutive messages of a topic that are not stored.

    after_ns, before_ns  when the stored messages around it were published (Unix ns)
    """

    topic: str
    messages: int
    after_ns: int
    before_ns: int

    @property
    def first_ns(self) -> int:
        """Return when the first of them was published: topics have even rates, down to 1 Hz."""
        return self.after_ns + (self.before_ns - self.after_ns) // (self.messages + 1)

    def is_of(self, kill: Kill) -> bool:
        """Return whether it lies in the absence of a recorder that was killed."""
        return (
            self.first_ns >= kill.killed_ns - kill.allowed_ms * 1e6
            and self.before_ns <= kill.back_ns
        )


@dataclass
class Outcome:
    """What became of the messages."""

    published: int = 0
    stored: int = 0
    duplicates: int = 0
    damaged: int = 0
    store_kills: int = 0
    kills: list[Kill] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def unexplained(self) -> list[Gap]:
        """Return what is missing though a recorder was there."""
        return [
            gap for gap in self.gaps
            if not any(gap.is_of(kill) for kill in self.kills)
        ]

    @property
    def lost_ms(self) -> float:
        """Return the longest time before a kill from which messages are missing (ms)."""
        return max(
            (
                (kill.killed_ns - gap.first_ns) * 1e-6
                for gap in self.gaps for kill in self.kills if gap.is_of(kill)
            ),
            default=0.0,
        )

    @property
    def passed(self) -> bool:
        """Return whether everything that should be there is, once."""
        return not (self.unexplained or self.duplicates or self.damaged)


class Soak:
    """One private store, one publisher, and a recorder that is started again."""

    def __init__(self, server: PrivateServer, folder: Path, domain_id: int) -> None:
        self._server = server
        self._folder = folder
        self._settings = StoreSettings(server.url)
        self._recorders = 0
        self._env = {
            **os.environ, URL_VARIABLE: server.url, 'ROS_HOME': str(folder / 'ros'),
            'ROS_DOMAIN_ID': str(domain_id),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        }
        self._env.pop('TWINSIGHT_REDUCT_TOKEN', None)

    def run(self, load: Load, store_period_s: float) -> Outcome:
        """Publish the load and kill; return what is stored at the end."""
        outcome = Outcome()
        recorder = self._recorder()
        with self._process('publisher', '-m', 'bench.recorder', '--publish', load.to_json()) as (
            publisher
        ):
            publisher.line(_MATCH_TIMEOUT_S, beside=recorder)
            publisher.go()
            recorder = self._disturb(
                load.seconds, store_period_s, publisher, recorder, outcome
            )
            sent = json.loads(publisher.line(_END_TIMEOUT_S, beside=recorder))['sent']
            time.sleep(1.0)
            recorder.end(_END_TIMEOUT_S)
            recorder.__exit__(None, None, None)
        self._count(sent, outcome)
        return outcome

    def _disturb(
        self, seconds: float, store_period_s: float, publisher: Process, recorder: Process,
        outcome: Outcome,
    ) -> Process:
        def waited_s() -> float:
            return publisher.waited_s() + recorder.waited_s()

        start_s = time.monotonic()
        events = sorted(
            [(at, 'store') for at in _every(store_period_s, seconds - 2 * _STORE_AWAY_S)]
            + [(seconds * share, 'recorder') for share in (0.35, 0.7)]
        )
        for at_s, what in events:
            if what == 'recorder':
                _sleep_until(start_s + at_s - _LOOKED_AT_S)
                before_s = waited_s()
            _sleep_until(start_s + at_s)
            if what == 'store':
                self._server.kill()
                time.sleep(_STORE_AWAY_S)
                self._server.start()
                outcome.store_kills += 1
            else:
                killed_ns, waited_ms = time.time_ns(), (waited_s() - before_s) * 1e3
                recorder.kill()
                recorder = self._recorder()
                recorder.wait_for('recording robot', _MATCH_TIMEOUT_S)
                # Subscriptions are matched some time after they are made.
                back_ns = time.time_ns() + 10_000_000_000
                outcome.kills.append(Kill(killed_ns, back_ns, waited_ms))
        _sleep_until(start_s + seconds)
        return recorder

    def _recorder(self) -> Process:
        self._recorders += 1
        return self._process(
            f'recorder_{self._recorders}', '-m', 'twinsight_recorder.recorder', '--ros-args',
            '-p', f'robot_id:={_ROBOT}', '-p', 'mission_id:=soak',
            '-p', "topics.include:=['/bench/.*']", '-p', 'stop_timeout:=60.0',
        )

    def _process(self, name: str, *arguments: str) -> Process:
        return Process(
            name, [sys.executable, *arguments], self._env, self._folder / f'{name}.log',
            read=name == 'publisher',
        )

    def _count(self, sent: Mapping[str, int], outcome: Outcome) -> None:
        published_ns = {topic: [0] * number for topic, number in sent.items()}
        for message in read(Selection(), self._settings):
            mark = read_mark(message.data)
            times = published_ns.get(message.channel.topic)
            if times is None or mark is None or not mark.intact or mark.sequence >= len(times):
                outcome.damaged += 1
            elif times[mark.sequence]:
                outcome.duplicates += 1
            else:
                times[mark.sequence] = mark.publish_ns
        outcome.published = sum(sent.values())
        outcome.stored = sum(bool(at) for times in published_ns.values() for at in times)
        for topic, times in published_ns.items():
            outcome.gaps += gaps(topic, times)


def gaps(topic: str, published_ns: list[int]) -> Iterator[Gap]:
    """Give what is missing of a topic: 0 stands for a message that is not stored."""
    last_ns, missing = 0, 0
    for at_ns in [*published_ns, None]:
        if at_ns == 0:
            missing += 1
            continue
        if missing:
            yield Gap(topic, missing, last_ns, at_ns if at_ns is not None else 1 << 62)
        last_ns, missing = at_ns or 0, 0


def _sleep_until(at_s: float) -> None:
    time.sleep(max(0.0, at_s - time.monotonic()))


def _every(period_s: float, end_s: float) -> Iterator[float]:
    at_s = period_s
    while at_s < end_s:
        yield at_s
        at_s += period_s


def main() -> int:
    """Run, print what was found; 1 where something is missing or there twice."""
    parser = argparse.ArgumentParser(
        prog='python -m bench.recorder.soak', description=__doc__, epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--seconds', type=float, default=600.0, help='how long (600)')
    parser.add_argument(
        '--store-period', type=float, default=30.0, help='seconds from kill to kill (30)'
    )
    parser.add_argument('--json', action='store_true', help='print JSON')
    parser.add_argument('--logs', type=Path, help='a folder that keeps the logs')
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    program = reductstore.find()
    if program is None:
        print('ReductStore is not installed: run `make setup`', file=sys.stderr)
        return 1
    robot = next(load for load in LOADS if load.name == 'robot')
    load = replace(robot, seconds=options.seconds, history_s=_HISTORY_S)
    try:
        with TemporaryDirectory(prefix='twinsight_soak_') as name:
            folder = options.logs or Path(name)
            folder.mkdir(parents=True, exist_ok=True)
            with (
                own_ros_domain() as domain_id,
                reductstore.running(program, Path(name) / 'reductstore') as server,
            ):
                outcome = Soak(server, folder, domain_id).run(load, options.store_period)
    except (ToolError, TwinsightError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        unexplained = [asdict(gap) for gap in outcome.unexplained]
        print(json.dumps({**asdict(outcome), 'unexplained': unexplained}))
    else:
        _print(outcome)
    return 0 if outcome.passed else 1


def _print(outcome: Outcome) -> None:
    table = Table(title='passed' if outcome.passed else 'FAILED')
    for title in (
        'published', 'stored', 'twice', 'damaged', 'store killed', 'recorder killed',
        'missing unexplained', 'lost before a kill, ms', 'allowed, ms',
    ):
        table.add_column(title, justify='right')
    table.add_row(
        *map(str, (
            outcome.published, outcome.stored, outcome.duplicates, outcome.damaged,
            outcome.store_kills, len(outcome.kills),
            sum(gap.messages for gap in outcome.unexplained),
            f'{outcome.lost_ms:.0f}',
            f'{max((kill.allowed_ms for kill in outcome.kills), default=KILL_LOSS_MS):.0f}',
        ))
    )
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)
    for gap in outcome.unexplained:
        print(f'missing: {gap.messages} of {gap.topic} between {gap.after_ns} and {gap.before_ns}')


if __name__ == '__main__':
    sys.exit(main())
