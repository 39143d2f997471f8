"""record-ctl: start, stop and ask a recorder that runs, through its services and status."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import json
import os
import signal
import sys
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.live import Live

from twinsight_interfaces.msg import RecorderStatus
from twinsight_recorder.raw.record_commands import Command, parser, PROGRAM
from twinsight_recorder.raw.recorder_client import Recorder, RecorderClient
from twinsight_recorder.raw.recorder_view import as_dict, as_table
from twinsight_store.exit_code import exit_code_of
from twinsight_store.ros_arguments import ros_argument_errors, split_arguments

_FILE_WIDTH = 160


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    arguments = sys.argv if arguments is None else arguments
    # a shell that starts it in the background has it ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return exit_code_of(PROGRAM, lambda: _run(arguments))
    finally:
        rclpy.try_shutdown()


def _run(arguments: Sequence[str]) -> int:
    own, ros = split_arguments(arguments)
    options = parser().parse_args(own)
    with ros_argument_errors():
        rclpy.init(args=ros, signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node(f'_record_ctl_{os.getpid()}', start_parameter_services=False)
    client = RecorderClient(node, options.timeout)
    recorder = client.find(options.node, surely_alone=options.command is not None)
    if options.command is None:
        return _status(client, recorder, options)
    command: Command = options.command
    answer = client.call(recorder, command.service, command.kind, command.fields(options))
    if options.json:
        fields = answer.get_fields_and_field_types()
        _print_json({
            'recorder': recorder.name, **{name: _plain(getattr(answer, name)) for name in fields}
        })
    elif answer.success:
        print(f'{recorder.name}: {answer.message}')
        for topic in getattr(answer, 'topics', ()):
            print(f'  {topic}')
    if not answer.success:
        print(f'{PROGRAM}: {recorder.name}: {answer.message}', file=sys.stderr)
    return 0 if answer.success else 1


def _status(client: RecorderClient, recorder: Recorder, options: argparse.Namespace) -> int:
    """Print the status once, or each new one until Ctrl-C."""
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH, highlight=False)
    live = Live(console=console, auto_refresh=False)

    def show(status: RecorderStatus) -> bool:
        if options.json:
            _print_json(as_dict(recorder.name, status), indent=None if options.watch else 2)
        elif options.watch and console.is_terminal:
            live.start()
            live.update(as_table(recorder.name, status), refresh=True)
        else:
            console.print(as_table(recorder.name, status))
        return options.watch

    try:
        client.watch(recorder, show)
    finally:
        live.stop()
    return 0


def _print_json(fields: Mapping[str, Any], indent: int | None = 2) -> None:
    print(json.dumps(fields, indent=indent, ensure_ascii=False), flush=True)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


if __name__ == '__main__':
    sys.exit(main())
