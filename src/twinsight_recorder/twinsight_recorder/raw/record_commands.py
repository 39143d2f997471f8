"""The command line of record-ctl: what it accepts, and the service call that each command is."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
import re
from typing import Any

from pydantic import TypeAdapter, ValidationError
from std_srvs.srv import Trigger

from twinsight_interfaces.srv import ChangeTopics, SetMission, StartRecording, TakeSnapshot
from twinsight_recorder.raw.recorder_client import DEFAULT_NAME
from twinsight_store.parameters import Seconds

PROGRAM = 'record-ctl'

_RUN = f'ros2 run twinsight_recorder {PROGRAM}'
_EXAMPLE = f"""\
examples:
  {_RUN} status --watch
  {_RUN} set-mission mission_43
  {_RUN} snapshot --before 30s --after 10s --node /robot_05/recorder

Each command has its own --help. Without --node the recorder that runs is taken, whatever its
namespace; where several run, they are listed. To be sure that it is the only one takes 3 s, which
--node saves.
exit codes: 0 done, 1 the recorder refuses or does not answer, 2 bad usage, 3 no recorder found,
130 interrupted
"""
_DURATION = 'accepted are seconds, or text with a unit: 500ms, 30s, 2min'
_SECONDS: TypeAdapter[float] = TypeAdapter(Seconds)


@dataclass(frozen=True)
class Command:
    """
    A command that is one call of a service.

    fields   gives the request's fields from the command line
    example  arguments that show the use
    """

    name: str
    help: str
    service: str
    kind: Any
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    fields: Callable[[argparse.Namespace], Mapping[str, object]] = lambda options: {}


def parser() -> argparse.ArgumentParser:
    """Return the parser; it gives ``command``, which is None for status."""
    whole = argparse.ArgumentParser(
        prog=PROGRAM, description='Control a recorder that runs, and see what it does.',
        epilog=_EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_options(whole, node='', timeout=5.0, json=False)
    commands = whole.add_subparsers(metavar='COMMAND', required=True)
    status = _add_command(commands, 'status', 'show what the recorder does', 'status --json')
    status.add_argument('--watch', action='store_true', help='again each second, until Ctrl-C')
    status.set_defaults(command=None)
    for command in _COMMANDS:
        added = _add_command(commands, command.name, command.help, command.example)
        command.add_arguments(added)
        added.set_defaults(command=command)
    return whole


def _add_command(commands: Any, name: str, text: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f'{text[0].upper()}{text[1:]}.',
        epilog=f'example:\n  {_RUN} {example}\n',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # given before the command or after it: without default here, or it would undo the former
    _add_options(
        parser, node=argparse.SUPPRESS, timeout=argparse.SUPPRESS, json=argparse.SUPPRESS
    )
    return parser


def _add_options(parser: argparse.ArgumentParser, node: Any, timeout: Any, json: Any) -> None:
    parser.add_argument(
        '--node', default=node, metavar='NAME',
        help=f"name of the recorder's node (the one that runs, usually {DEFAULT_NAME})",
    )
    parser.add_argument(
        '--timeout', type=_longer_than_zero, default=timeout, metavar='DURATION',
        help='longest wait for the recorder, such as 10s (5s)',
    )
    parser.add_argument(
        '--json', action='store_true', default=json, help='print one JSON object'
    )


def _duration(text: str) -> float:
    """Return seconds; raises ArgumentTypeError."""
    try:
        seconds = _SECONDS.validate_python(float(text) if _is_number(text) else text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f'{text!r}: {_DURATION}') from error
    if not 0 <= seconds < float('inf'):
        raise argparse.ArgumentTypeError(f'{text!r}: {_DURATION}')
    return seconds


def _longer_than_zero(text: str) -> float:
    seconds = _duration(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError(f'{text!r}: accepted is more than 0 s')
    return seconds


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(
            f'{text!r}: not a regular expression ({error})'
        ) from error
    return text


def _mission_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--mission', default='', metavar='ID', help='mission id (a new one, of date and time)'
    )


def _mission_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'mission', nargs='?', default='', metavar='ID',
        help='mission id (a new one, of date and time)',
    )


def _patterns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'patterns', nargs='+', type=_pattern, metavar='PATTERN',
        help='name of a topic, or regular expression that matches whole names',
    )


def _span(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--before', type=_longer_than_zero, default=0.0, metavar='DURATION',
        help='what is stored of the past, such as 30s (all that is kept)',
    )
    parser.add_argument(
        '--after', type=_duration, default=0.0, metavar='DURATION',
        help='what is stored of the time that comes, such as 30s (nothing)',
    )


_COMMANDS = (
    Command(
        'start', 'record again after a stop, as a new mission', 'start', StartRecording,
        'start --mission mission_43', _mission_option,
        lambda options: {'mission_id': options.mission},
    ),
    Command(
        'stop', 'end the subscriptions; what was received is stored', 'stop', Trigger,
        'stop --node /robot_05/recorder',
    ),
    Command(
        'pause', 'leave out what arrives, until resume', 'pause', Trigger,
        'pause --timeout 10s',
    ),
    Command('resume', 'record again after a pause', 'resume', Trigger, 'resume --json'),
    Command(
        'split', 'begin the next part of the mission (label "part")', 'split', Trigger, 'split',
    ),
    Command(
        'set-mission', 'label what arrives from now on with another mission', 'set_mission',
        SetMission, 'set-mission mission_43', _mission_argument,
        lambda options: {'mission_id': options.mission},
    ),
    Command(
        'add-topics', 'record more topics, until the recorder ends', 'change_topics',
        ChangeTopics, "add-topics /scan '/camera/.*'", _patterns,
        lambda options: {'add': options.patterns},
    ),
    Command(
        'drop-topics', 'record fewer topics, until the recorder ends', 'change_topics',
        ChangeTopics, "drop-topics '/camera/.*'", _patterns,
        lambda options: {'drop': options.patterns},
    ),
    Command(
        'snapshot', 'store the last seconds, where the recorder has mode snapshot', 'snapshot',
        TakeSnapshot, 'snapshot --before 30s --after 30s', _span,
        lambda options: {'before_s': options.before, 'after_s': options.after},
    ),
)
