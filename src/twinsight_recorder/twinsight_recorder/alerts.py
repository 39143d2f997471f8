"""alerts: try alert rules on the history, or list the alerts that are stored; needs no ROS 2."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from twinsight_recorder.alerting.change import to_event
from twinsight_recorder.alerting.history import AlertTrial
from twinsight_recorder.alerting.rule import AlertRule
from twinsight_recorder.alerting.settings import read_rules
from twinsight_recorder.alerting.table import AlertTable
from twinsight_store.errors import ConfigurationError, NothingMatchedError
from twinsight_store.exit_code import exit_code_of
from twinsight_store.history.catalog import nothing_matched
from twinsight_store.history.events import events
from twinsight_store.history.postgres import (
    connect,
    postgres_errors,
    PostgresRefusedError,
    PostgresSettings,
    URL_VARIABLE,
)
from twinsight_store.metrics.fact import ALERT_CLEARED, ALERT_RAISED, Event
from twinsight_store.selection import Selection
from twinsight_store.selection_arguments import join_relative_times
from twinsight_store.times import ACCEPTED, format_span, parse_time

PROGRAM = 'alerts'

_EXAMPLE = """\
examples:
  ros2 run twinsight_recorder alerts --rules config/alerts.yaml --from -7d --to now
  ros2 run twinsight_recorder alerts --robot robot_05 --from -1d --json

With --rules the rules of a ROS parameter file are tried on the samples of the history: shown is
what they would have raised and cleared, at the same times as on the robot; nothing is written.
Without, the alerts that robots raised are listed as they are stored.

PostgreSQL's address is taken from TWINSIGHT_POSTGRES_URL.
exit codes: 0 done, 1 failed, 2 bad usage, 3 nothing matched, 130 interrupted
"""
_NOW = 'now'
_NO_SUCH_TABLE = '42P01'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(join_relative_times(given))
    return exit_code_of(PROGRAM, lambda: _run(options), 'interrupted')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description='Try alert rules on the stored metrics, or list the alerts that are stored.',
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--rules', metavar='FILE', help='parameter file with alerts to try')
    parser.add_argument(
        '--robot', action='append', default=[], metavar='ID',
        help='only this robot; may be given several times',
    )
    parser.add_argument(
        '--mission', action='append', default=[], metavar='ID',
        help='only this mission; may be given several times',
    )
    parser.add_argument(
        '--from', dest='from_time', metavar='TIME',
        help=f'start, included (the first sample): {_NOW}, {ACCEPTED}',
    )
    parser.add_argument(
        '--to', dest='to_time', metavar='TIME', default=_NOW, help='end, excluded (%(default)s)'
    )
    parser.add_argument('--json', action='store_true', help='print one JSON object a line')
    return parser


def _run(options: argparse.Namespace) -> int:
    selection = _selection(options, datetime.now(timezone.utc))
    rules = read_rules(options.rules) if options.rules else ()
    settings = PostgresSettings.from_environment()
    try:
        if rules:
            _try(settings, rules, selection, options)
        else:
            _list(settings, selection, options)
    except PostgresRefusedError as error:
        if error.sqlstate != _NO_SUCH_TABLE:
            raise
        raise NothingMatchedError(
            f'PostgreSQL at {settings.where} has no metrics yet: let metrics_recorder write '
            f'there first, or set {URL_VARIABLE} to another one'
        ) from error
    return 0


def _selection(options: argparse.Namespace, now: datetime) -> Selection:
    """Return what was typed; its end is never in the future, where nothing can be missing yet."""
    for name in ('robot', 'mission'):
        if '' in getattr(options, name):
            raise ConfigurationError(f'--{name} is empty: give a value, or leave the option out')
    end_ns = _time('--to', options.to_time, now)
    from_ns = None if options.from_time is None else _time('--from', options.from_time, now)
    return Selection(
        robots=tuple(options.robot), missions=tuple(options.mission), from_ns=from_ns,
        to_ns=min(end_ns, _time('--to', _NOW, now)),
    )


def _time(option: str, text: str, now: datetime) -> int:
    if text == _NOW:
        text = '-0s'
    try:
        return parse_time(text, now)
    except ConfigurationError as error:
        raise ConfigurationError(f'{option}: {error}') from error


def _try(
    settings: PostgresSettings, rules: Sequence[AlertRule], selection: Selection,
    options: argparse.Namespace,
) -> None:
    errors = Console(stderr=True, highlight=False)
    with postgres_errors(settings), closing(connect(settings, PROGRAM)) as connection:
        trial = AlertTrial(connection, rules, selection)
        if trial.is_empty:
            names = tuple({rule.metric: None for rule in rules})
            raise nothing_matched(settings, selection, names=names)
        with _progress(errors, trial.span, errors.is_terminal and not options.json) as reached:
            table = _print(map(to_event, trial.changes(reached)), options.json)
    if table is not None:
        first_ns, last_ns = trial.span
        print(
            f'{_alerts(table.count)} in {trial.samples:,} samples of {len(trial.series)} metrics, '
            f'{format_span(first_ns, last_ns)}'
        )
    if trial.engine.refused:
        print(
            f'{PROGRAM}: {trial.engine.refused} combinations of rule, robot and metric were left '
            'out, there are too many: name fewer metrics, or select a robot',
            file=sys.stderr,
        )


def _list(settings: PostgresSettings, selection: Selection, options: argparse.Namespace) -> None:
    table = _print(events(settings, selection, kinds=(ALERT_RAISED, ALERT_CLEARED)), options.json)
    if table is not None:
        span = format_span(selection.from_ns, selection.to_ns)
        print(f'{_alerts(table.count, "stored ")}, {span}')


def _alerts(count: int, kind: str = '') -> str:
    return f'{count} {kind}alert{"s" * (count != 1)}'


def _print(found: Iterable[Event], as_json: bool) -> AlertTable | None:
    """Print events, each at once as JSON, or in the end as a table, which is returned."""
    if as_json:
        for event in found:
            print(json.dumps(_as_json(event), ensure_ascii=False), flush=True)
        return None
    table = AlertTable()
    table.add(found)
    if table.count:
        table.print()
    return table


def _as_json(event: Event) -> dict[str, Any]:
    return {
        'time_ns': event.time_ns, 'robot_id': event.robot_id, 'mission_id': event.mission_id,
        'kind': event.kind, 'severity': event.severity, 'message': event.message, **event.data,
    }


@contextmanager
def _progress(
    console: Console, span: tuple[int, int], shown: bool
) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn('reading samples'), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        task = progress.add_task('', total=max(1, span[1] - span[0]))
        yield lambda reached_ns: progress.update(task, completed=reached_ns - span[0])


if __name__ == '__main__':
    sys.exit(main())
