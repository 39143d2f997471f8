"""The to_mcap command: a selection of stored data as one MCAP file; needs no ROS 2."""

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

from twinsight_replay.episode import Episode, history_of_environment
from twinsight_replay.mcap_file import McapFile, Written
from twinsight_replay.position import shown
from twinsight_replay.topic_names import TopicNames
from twinsight_store.errors import RecordError
from twinsight_store.exit_code import exit_code_of
from twinsight_store.open_timeline import Align, TimelineSettings
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
QoS and type hash. Metrics, events and alerts of the time come on /metrics/..., /events and
/alerts. Where the selection has more than one robot, topics begin with the robot's id:
/robot_05/camera/image_raw; where --align start lays missions of one robot side by side, with
its mission too. OUT appears when it is complete.

ReductStore's address is taken from TWINSIGHT_REDUCT_URL, its token from TWINSIGHT_REDUCT_TOKEN,
the database of the metrics from TWINSIGHT_POSTGRES_URL; where that is not set there are none.
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
    parser.add_argument(
        '--align', choices=[each.value for each in Align], default=Align.TIME.value,
        help='several missions at their true times, or all from a common start',
    )
    parser.add_argument(
        '--no-metrics', dest='metrics', action='store_false',
        help='leave out metrics, events and alerts of the history',
    )
    parser.add_argument('--force', action='store_true', help='replace OUT where it exists')
    parser.add_argument('--json', action='store_true', help='print the summary as JSON')
    return parser


def _run(options: argparse.Namespace) -> int:
    selection = selection_from(options)
    unreadable: list[RecordError] = []
    settings = TimelineSettings(
        settings_from(options), history_of_environment() if options.metrics else None,
        Align(options.align), unreadable.append,
    )
    file = McapFile(options.out, options.force)
    started_s = time.monotonic()
    try:
        with Episode(selection, settings) as episode:
            _export(episode, file, selection)
    finally:
        file.discard()
    _print(file, options, time.monotonic() - started_s)
    for error in unreadable:
        print(f'to_mcap: {error}', file=sys.stderr)
    return 1 if unreadable else 0


def _export(episode: Episode, file: McapFile, selection: Selection) -> None:
    names = TopicNames()
    names.tell_apart([robot_id for robot_id, _ in episode.channels], episode.shifts)
    console = Console(stderr=True, highlight=False)
    console.print(
        f'{selection.describe()}: writing {format_span(*episode.span_ns)}',
        markup=False, soft_wrap=True,
    )
    with file, shown(console, episode.span_ns) as position:
        for message in episode:
            file.add(message, names.published(names.source(message.labels), message.topic))
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
