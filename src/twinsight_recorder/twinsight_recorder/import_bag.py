"""import_bag: bags into the store, under a robot and a mission; needs no ROS 2."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import json
from pathlib import Path
import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from twinsight_recorder.bags.bag_files import BagFile, find_bags
from twinsight_recorder.bags.bag_import import import_files, ImportRules
from twinsight_recorder.bags.import_report import ImportReport
from twinsight_store.connection import StoreSettings
from twinsight_store.exit_code import exit_code_of
from twinsight_store.layout import DEFAULT_BUCKET
from twinsight_store.selection_arguments import labels_from

_EXAMPLE = """\
example:
  import_bag ~/bags/2026-11-23 --robot robot_05 --mission dock-42 --label site=Ulm

PATH is an MCAP file, a rosbag2 sqlite3 file (.db3), either compressed with zstd, a rosbag2
folder, or a folder with bags anywhere below it. Importing a bag again adds nothing: what is
stored already under this robot and mission is recognised and keeps its labels. So an import
that was interrupted is completed by repeating it.

ReductStore's address is taken from TWINSIGHT_REDUCT_URL, its token from TWINSIGHT_REDUCT_TOKEN.
exit codes: 0 all stored, 1 something could not be read or stored, 2 bad usage, 130 interrupted
"""
_FILE_WIDTH = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    return exit_code_of(
        'import_bag', lambda: _run(options), 'interrupted; repeat the command to complete it'
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='import_bag',
        description='Store MCAP and rosbag2 sqlite3 bags under a robot and a mission.',
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('paths', metavar='PATH', nargs='+', type=Path, help='bag file or folder')
    parser.add_argument('--robot', required=True, metavar='ID', help='robot id')
    parser.add_argument('--mission', required=True, metavar='ID', help='mission id')
    parser.add_argument(
        '--topic', action='append', default=[], metavar='GLOB',
        help='only this topic, or pattern such as "/camera/*"; may be given several times',
    )
    parser.add_argument(
        '--label', action='append', default=[], metavar='NAME=VALUE',
        help='further label of the records; may be given several times',
    )
    parser.add_argument(
        '--bucket', default=DEFAULT_BUCKET, help='bucket in ReductStore (%(default)s)'
    )
    parser.add_argument(
        '--wait', type=float, default=60.0, metavar='SECONDS',
        help='how long a store that goes away is waited for (%(default)g)',
    )
    parser.add_argument('--json', action='store_true', help='print the summary as JSON')
    return parser


def _run(options: argparse.Namespace) -> int:
    rules = ImportRules(
        options.robot, options.mission, tuple(options.topic), labels_from(options.label),
        options.wait,
    )
    settings = StoreSettings.from_environment(bucket=options.bucket)
    files = find_bags(options.paths)
    report = ImportReport()
    errors = Console(stderr=True, highlight=False)
    started_s = time.monotonic()
    try:
        with _progress(errors, files, report, errors.is_terminal and not options.json) as bar:
            asyncio.run(
                import_files(
                    files, rules, settings, report,
                    say=lambda line: errors.print(line, markup=False, soft_wrap=True),
                    advance=bar.advance,
                )
            )
    finally:
        report.seconds = time.monotonic() - started_s
    _print(report, options.json)
    return 1 if report.failed else 0


def _print(report: ImportReport, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        width = None if sys.stdout.isatty() else _FILE_WIDTH
        Console(width=width).print(report.table())
        total, seconds = report.total, max(report.seconds, 1e-6)
        print(
            f'{len(report.files)} files in {seconds:.1f} s: {total.messages / seconds:,.0f} '
            f'messages/s, {total.bytes / seconds / 1e6:,.1f} MB/s'
        )
    for note in report.notes():
        print(f'note: {note}', file=sys.stderr)
    for problem in report.problems:
        print(f'import_bag: {problem}', file=sys.stderr)
    for reason, messages in report.refusals.most_common():
        print(f'import_bag: {messages} messages refused: {reason}', file=sys.stderr)


class _Bar:
    """Shows how much of all files was read."""

    def __init__(self, progress: Progress, files: Sequence[BagFile]) -> None:
        self._progress = progress
        self._sizes = {file: file.path.stat().st_size for file in files if file.path.exists()}
        self._done: dict[BagFile, int] = {}
        self._task = progress.add_task('', total=sum(self._sizes.values()))

    def advance(self, file: BagFile, position: int) -> None:
        """Show that a file was read up to a position; files before it are done."""
        for earlier in self._done:
            self._done[earlier] = self._sizes.get(earlier, 0)
        self._done[file] = position
        self._progress.update(
            self._task, completed=sum(self._done.values()), description=file.path.name
        )


class _MessageRate(ProgressColumn):
    """Shows the messages settled per second."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__()
        self._report = report

    def render(self, task: Task) -> Text:
        rate = self._report.total.messages / max(task.elapsed or 0.0, 0.1)
        return Text(f'{rate:,.0f} messages/s')


@contextmanager
def _progress(
    console: Console, files: Sequence[BagFile], report: ImportReport, shown: bool
) -> Iterator[_Bar]:
    columns = (
        TextColumn('{task.description}', markup=False), BarColumn(), DownloadColumn(),
        TransferSpeedColumn(), _MessageRate(report), TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        yield _Bar(progress, files)


if __name__ == '__main__':
    sys.exit(main())
