"""
How long it takes from calling ~/seek until a subscriber has the first message from there.

An hour of the standard robot lies in a ReductStore (messages that are records of their own divided
by ten, to spare the disk: as many records as ever, a tenth of the bytes), with a latched map and
latched transforms at its beginning. While it plays, the service is called again and again for
random times; what counts is the arrival of the first message whose recorded time is the one
asked for, or after it.
"""

from __future__ import annotations

import json
from pathlib import Path
import random
import sys
from tempfile import TemporaryDirectory
import time

from rich.table import Table

from bench import machine, report
from bench.loads import BYTES, LOADS, Stream, TF
from bench.reduct_server import reduct_server
from bench.report import Measured
from twinsight_store.connection import StoreSettings

from .arithmetic import quantile
from .recording import record, Recording, START_NS
from .trial import Bench, END_S, READY_S, replay_command

TARGET_MS = 200.0

_SEEKS = 20
_SEEK_S = 60.0
_DIVISOR = 10
_BEFORE_END_S = 10.0
_LATCHED = (Stream('/bench/map', BYTES, 40_000, 0.0), Stream('/bench/tf_static', TF, 0, 0.0))


def measure(quick: bool) -> Measured:
    """Measure; raises ToolError where a server is missing or a process fails."""
    seconds = 300.0 if quick else 3600.0
    [robot] = [load for load in LOADS if load.name == 'robot']
    progress = report.console(error=True)
    with TemporaryDirectory(prefix='twinsight_bench_') as name, reduct_server(Path(name)) as store:
        facts = machine.describe(store.url)
        recording = Recording(
            StoreSettings(store.url), robot.streams, seconds, _DIVISOR, _LATCHED
        )
        with progress.status(f'seek: recording {seconds / 60:g} minutes'):
            start_s = time.monotonic()
            record(recording, Path(name))
            recording_s = time.monotonic() - start_s
        with progress.status(f'seek: {_SEEKS} times'):
            found = _seek(Bench(store, Path(name)), recording)
    answers_ms, firsts_ms = [each[0] for each in found], [each[1] for each in found]
    numbers = {
        'machine': facts, 'seconds': seconds, 'messages': recording.messages,
        'recording_s': recording_s, 'target_ms': TARGET_MS,
        'seeks': [
            {'answered_ms': answered, 'first_message_ms': first, 'topic': topic}
            for answered, first, topic in found
        ],
    }
    table = Table(title=(
        f'{_SEEKS} seeks to random times of {seconds / 60:g} minutes, {recording.messages:,} '
        f'messages · {machine.line(facts)}'
    ))
    table.add_column('from the call of ~/seek to, ms')
    for heading in ('p50', 'p90', 'max'):
        table.add_column(heading, justify='right')
    for title, values in (('its answer', answers_ms), ('the first message', firsts_ms)):
        table.add_row(
            title, *(report.number(quantile(values, part)) for part in (0.5, 0.9, 1.0))
        )
    return Measured([table], numbers)


def _seek(bench: Bench, recording: Recording) -> list[tuple[float, float, str]]:
    chosen = random.Random(1)
    end_ns = recording.end_ns - round(_BEFORE_END_S * 1e9)
    targets = json.dumps([chosen.randrange(START_NS, end_ns) for _ in range(_SEEKS)])
    topics = json.dumps([(each.topic, each.type_name) for each in recording.streams])
    command = [sys.executable, '-m', 'bench.replay.seeker', topics, targets]
    with bench.domain() as env, bench.process('seeker', command, env) as seeker:
        seeker.line(READY_S)  # it says "listening"
        # The latched topics have no subscriber, which is not waited for in vain.
        with bench.process('replay', replay_command(recording), env) as replay:
            found = json.loads(seeker.line(READY_S + _SEEKS * _SEEK_S, beside=replay))
            replay.end(END_S)
    return [(answered, first, topic) for answered, first, topic in found]


def main() -> int:
    """Measure seeking; return the exit code."""
    return report.run_part('replay.seek', __doc__ or '', measure)


if __name__ == '__main__':
    sys.exit(main())
