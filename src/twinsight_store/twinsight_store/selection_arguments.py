"""The selection as command-line options, the same in every command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from twinsight_store.connection import StoreSettings
from twinsight_store.errors import ConfigurationError
from twinsight_store.layout import DEFAULT_BUCKET
from twinsight_store.selection import Selection
from twinsight_store.times import ACCEPTED, parse_time

_TIME_OPTIONS = ('--from', '--to')


def add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that select data to a command's parser."""
    group = add_mission_arguments(parser)
    group.add_argument('--sensor', action='append', default=[], metavar='TYPE', help='sensor type')
    group.add_argument(
        '--topic', action='append', default=[], metavar='GLOB',
        help='topic, or a pattern such as "/camera/*"; may be given several times',
    )
    group.add_argument(
        '--bucket', action='append', default=[], metavar='NAME',
        help=f'bucket in ReductStore ({DEFAULT_BUCKET}); several are read as if they were one',
    )


def add_mission_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options that select missions of robots; return their group."""
    group = parser.add_argument_group('selection')
    group.add_argument('--robot', action='append', default=[], metavar='ID', help='robot id')
    group.add_argument('--mission', action='append', default=[], metavar='ID', help='mission id')
    group.add_argument(
        '--from', dest='from_time', metavar='TIME', help=f'start, included: {ACCEPTED}'
    )
    group.add_argument('--to', dest='to_time', metavar='TIME', help='end, excluded')
    group.add_argument(
        '--label', action='append', default=[], metavar='NAME=VALUE', help='label of the data'
    )
    return group


def join_relative_times(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with ``--from -15m`` as ``--from=-15m``, which argparse can read."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in _TIME_OPTIONS and argument.startswith('-'):
            joined[-1] += f'={argument}'
        else:
            joined.append(argument)
    return joined


def selection_from(arguments: argparse.Namespace) -> Selection:
    """Return the selection that was typed; raise ConfigurationError where it is no selection."""
    chosen = {}
    for name in ('robot', 'mission', 'sensor', 'topic'):
        chosen[name] = tuple(getattr(arguments, name, ()))
        check_not_empty(name, chosen[name])
    return Selection(
        robots=chosen['robot'],
        missions=chosen['mission'],
        sensors=chosen['sensor'],
        topics=chosen['topic'],
        from_ns=time_from('--from', arguments.from_time),
        to_ns=time_from('--to', arguments.to_time),
        labels=labels_from(arguments.label),
    )


def settings_from(arguments: argparse.Namespace) -> StoreSettings:
    """
    Return where the selection is read: the store of the environment, the buckets that were typed.

    Raises ConfigurationError where the store's address is not set.
    """
    check_not_empty('bucket', arguments.bucket)
    first, *more = arguments.bucket or [DEFAULT_BUCKET]
    return StoreSettings.from_environment(bucket=first, more_buckets=tuple(more))


def labels_from(texts: Sequence[str]) -> dict[str, str]:
    """Return the labels that ``--label NAME=VALUE`` gave; raise ConfigurationError for others."""
    labels = {}
    for text in texts:
        name, equals, value = text.partition('=')
        if not equals or not name:
            raise ConfigurationError(f'--label {text!r}: accepted is NAME=VALUE')
        labels[name] = value
    return labels


def check_not_empty(name: str, values: Sequence[str]) -> None:
    """Raise ConfigurationError where one of an option's values is empty."""
    if '' in values:
        raise ConfigurationError(f'--{name} is empty: give a value, or leave the option out')


def time_from(option: str, text: str | None) -> int | None:
    """Return the time that an option gave, or None; the error of a wrong one names the option."""
    if text is None:
        return None
    try:
        return parse_time(text)
    except ConfigurationError as error:
        raise ConfigurationError(f'{option}: {error}') from error
