"""The to_mcap command: a selection of stored messages as one MCAP file; needs no ROS 2."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
import json
from pathlib import Path
import signal
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from twinsight_replay.mcap_file import McapFile, Written
from twinsight_replay.position import shown
from twinsight_replay.topic_names import TopicNames
from twinsight_store import labels as label
from twinsight_store.connection import StoreSettings
from twinsight_store.errors import RecordError
from twinsight_store.exit_code import exit_code_of
from twinsight_store.read import channels_of, read, span_of, with_records
from twinsight_store.selection import Selection
from twinsight_store.selection_arguments import (
    add_selection_arguments,
    join_relative_times,
    selection_from,
    settings_from,
)
from twinsight_store.times import format_span

_EXAMPLE = """\
example:
  to_mcap --robot robot_05 --mission mission_42 --topic '/camera/*' --from -15m camera.mcap

Messages keep their bytes, log and publish times and sequence numbers; channels keep schema,
QoS and type hash. Where the selection has more than one robot, topics begin with the robot's
id: /robot_05/camera/image_raw. OUT appears when it is complete.

ReductStore's address is taken from TWINSIGHT_REDUCT_URL, its token from TWINSIGHT_REDUCT_TOKEN.
exit codes: 0 done, 1 failed, 2 bad usage, 3 nothing matched, 130 interrupted
"""
_FILE_WIDTH = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(join_relative_times(given))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    return exit_code_of('to_mcap', lambda: _run(options), 'interrupted; no file was written')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='to_mcap',
        description='Write stored messages into an MCAP file that other tools open.',
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_selection_arguments(parser)
    parser.add_argument('out', metavar='OUT', type=Path, help='file to write')
    parser.add_argument('--force', action='store_true', help='replace OUT where it exists')
    parser.add_argument('--json', action='store_true', help='print the summary as JSON')
    return parser


def _run(options: argparse.Namespace) -> int:
    selection = selection_from(options)
    settings = settings_from(options)
    file = McapFile(options.out, options.force)
    console = Console(stderr=True, highlight=False)
    unreadable: list[RecordError] = []
    started_s = time.monotonic()
    try:
        _export(selection, settings, file, console, unreadable)
    finally:
        file.discard()
    _print(file, options, time.monotonic() - started_s)
    for error in unreadable:
        print(f'to_mcap: {error}', file=sys.stderr)
    return 1 if unreadable else 0


def _export(
    selection: Selection,
    settings: StoreSettings,
    file: McapFile,
    console: Console,
    unreadable: list[RecordError],
) -> None:
    names = TopicNames()
    channels = with_records(selection, settings, channels_of)
    names.with_robot = len({robot_id for robot_id, _ in channels}) > 1
    span = with_records(selection, settings, span_of)
    console.print(
        f'{selection.describe()}: writing {format_span(*span)}', markup=False, soft_wrap=True
    )
    with file, shown(console, span) as position:
        for message in read(selection, settings, on_bad_record=unreadable.append):
            robot_id = message.labels.get(label.ROBOT, '')
            file.add(message, names.published(robot_id, message.channel.topic))
            position.move_to(message.receive_ns)


def _print(file: McapFile, options: argparse.Namespace, seconds: float) -> None:
    topics = sorted(file.topics.values(), key=lambda written: written.topic)
    size = options.out.stat().st_size
    if options.json:
        print(json.dumps(_as_json(topics, options.out, size, seconds), indent=2))
        return
    width = None if sys.stdout.isatty() else _FILE_WIDTH
    Console(width=width).print(_table(topics))
    messages = sum(written.messages for written in topics)
    print(
        f'{options.out}: {size:,} bytes in {seconds:.1f} s, {messages / seconds:,.0f} messages/s, '
        f'{sum(written.bytes for written in topics) / seconds / 1e6:,.1f} MB/s'
    )


def _table(topics: Sequence[Written]) -> Table:
    table = Table(show_footer=True)
    table.add_column('topic', 'total', overflow='fold')
    table.add_column('type', overflow='fold')
    for name in ('messages', 'bytes'):
        total = sum(getattr(written, name) for written in topics)
        table.add_column(name, f'{total:,}', justify='right', no_wrap=True)
    for written in topics:
        table.add_row(
            written.topic, written.type_name, f'{written.messages:,}', f'{written.bytes:,}'
        )
    return table


def _as_json(
    topics: Sequence[Written], path: Path, size: int, seconds: float
) -> dict[str, Any]:
    return {
        'file': str(path),
        'file_bytes': size,
        'messages': sum(written.messages for written in topics),
        'seconds': round(seconds, 3),
        'topics': [asdict(written) for written in topics],
    }


if __name__ == '__main__':
    sys.exit(main())
