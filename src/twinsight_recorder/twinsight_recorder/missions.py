"""missions: the missions of robots, as a table or as JSON; needs no ROS 2."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
import json
import sys

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from twinsight_store.exit_code import exit_code_of
from twinsight_store.history.missions import Mission, missions
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.parameters import Seconds
from twinsight_store.selection_arguments import (
    add_mission_arguments,
    join_relative_times,
    selection_from,
)

PROGRAM = 'missions'
LOST_AFTER_S = 300.0
"""A robot that was not heard of for so long has vanished."""

_EXAMPLE = """\
examples:
  ros2 run twinsight_recorder missions --robot robot_05 --from -7d
  ros2 run twinsight_recorder missions --label site=hall_2 --json

A mission whose robot was not heard of for --lost-after is shown as ended at the robot's last
sign of life; nothing is changed in the database. Bytes are those that recorders took.

PostgreSQL's address is taken from TWINSIGHT_POSTGRES_URL.
exit codes: 0 done, 1 failed, 2 bad usage, 3 nothing matched, 130 interrupted
"""
_SECONDS: TypeAdapter[float] = TypeAdapter(Seconds)
_WIDTH = 140
_ENDS = {None: 'goes on', 'request': 'ended', 'next': 'next one began', 'lost': 'robot vanished'}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(join_relative_times(given))
    return exit_code_of(PROGRAM, lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, epilog=_EXAMPLE,
        description='List missions: how long, how far, how much was recorded, what happened.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_mission_arguments(parser)
    parser.add_argument(
        '--lost-after', type=_duration, default=LOST_AFTER_S, metavar='DURATION',
        help='silence after which a robot is taken to have vanished (5min)',
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object a line')
    return parser


def _duration(text: str) -> float:
    try:
        seconds = _SECONDS.validate_python(text)
    except ValidationError:
        seconds = 0.0
    if seconds <= 0.0:
        raise argparse.ArgumentTypeError(
            f'{text!r}: accepted is text with a unit: 30s, 5min, 1h, 1d'
        )
    return seconds


def _run(options: argparse.Namespace) -> int:
    selection = selection_from(options)
    settings = PostgresSettings.from_environment()
    found = missions(settings, selection, lost_after_s=options.lost_after)
    if options.json:
        for mission in found:
            described = {**asdict(mission), 'duration_s': mission.duration_s}
            print(json.dumps(described, ensure_ascii=False))
    else:
        Console(width=None if sys.stdout.isatty() else _WIDTH).print(_table(found))
    return 0


def _table(found: Sequence[Mission]) -> Table:
    table = Table(caption=f'{len(found)} mission{"s" * (len(found) != 1)}', caption_justify='left')
    for title in ('robot', 'mission', 'started'):
        table.add_column(title, overflow='fold')
    for title in ('duration', 'distance', 'topics', 'messages', 'bytes', 'events'):
        table.add_column(title, justify='right')
    table.add_column('state')
    table.add_column('labels', overflow='fold')
    for each in found:
        started = datetime.fromtimestamp(each.started_ns / 1e9, timezone.utc)
        table.add_row(
            each.robot_id, each.mission_id, f'{started:%Y-%m-%d %H:%M:%SZ}',
            str(timedelta(seconds=round(each.duration_s))),
            '-' if each.distance_m is None else f'{each.distance_m:.1f} m',
            str(each.topics), f'{each.messages:,}', decimal(each.bytes), str(each.events),
            _ENDS[each.ended_by],
            ' '.join(f'{key}={text}' for key, text in each.labels.items()),
        )
    return table


if __name__ == '__main__':
    sys.exit(main())
