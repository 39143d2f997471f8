"""The command line of replay; its options are the node's parameters."""

from __future__ import annotations

import argparse
from typing import Any

from twinsight_store.selection_arguments import add_selection_arguments
from twinsight_store.times import ACCEPTED

_EXAMPLE = """examples:
  ros2 run twinsight_replay replay --robot robot_05 --mission mission_42 --from 14:00 --to 14:15
  ros2 run twinsight_replay replay --robot robot_05 --from -15m --topic '/camera/*' --rate 2.0
  ros2 run twinsight_replay replay --robot robot_05 --prefix /replay --remap /odom:=/old_odom
  ros2 run twinsight_replay replay --robot robot_05 --robot robot_07 --align start --clock
  ros2 run twinsight_replay replay --robot robot_05 --start-paused --stay
  ros2 service call /replay/seek rosbag2_interfaces/srv/Seek '{time: {sec: 1763900000}}'

Every option is a parameter of the node too: --start-offset 5 is -p start_offset:=5.
Services, as of rosbag2's player: ~/pause resume toggle_paused is_paused get_rate set_rate
play_next burst seek stop play. Topics: ~/status (ReplayStatus, 10 Hz), ~/jumped (ReplayJump).
Keys: space pauses, arrows step, seek and change the rate, digits seek, h lists them.
exit codes: 0 done, 1 failed, 2 bad usage, 3 nothing matched, 130 interrupted
"""

DEFAULT_CLOCK_HZ = 40.0


def parser() -> argparse.ArgumentParser:
    """Return the parser; an option that is not given is not in what it parses."""
    made = argparse.ArgumentParser(
        prog='replay', description='Publish stored messages again, at their original intervals.',
        epilog=_EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add_selection_arguments(made)
    _add_playing(made.add_argument_group('playing'))
    _add_topics(made.add_argument_group('topics'))
    made.add_argument('--json', action='store_true', help='print what was done as JSON')
    return made


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what was given on the command line, by the parameters' names."""
    options = {name: value for name, value in vars(arguments).items() if value not in (None, [])}
    options.pop('json', None)
    for name in ('from', 'to'):
        if f'{name}_time' in options:
            options[name] = options.pop(f'{name}_time')
    return options


def _duration(text: str) -> float | str:
    """Return a plain number as seconds; a number with a unit is read with the parameters."""
    try:
        return float(text)
    except ValueError:
        return text


def _add_playing(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add('-r', '--rate', type=float, help='speed; 2.0 is twice as fast, inf as fast as possible')
    add('-l', '--loop', action='store_true', help='begin again at the end')
    add('-p', '--start-paused', dest='paused', action='store_true', help='begin paused')
    add('--stay', action='store_true', help='stay at the end, and obey the services there')
    add(
        '--start-offset', type=_duration, metavar='DURATION',
        help='begin so long after the first message',
    )
    add(
        '--duration', '--playback-duration', type=_duration, metavar='DURATION',
        help='play so long a part',
    )
    add('--until', metavar='TIME', help=f'play up to this recorded time: {ACCEPTED}')
    add('-d', '--delay', type=_duration, metavar='DURATION', help='wait before the first message')
    add(
        '--align', choices=('time', 'start'),
        help='several missions at their true times, or all from a common start',
    )
    add('--read-ahead', metavar='SIZE', help='how much is read before it is due (64MB)')
    add(
        '--discovery-time', type=_duration, metavar='DURATION',
        help='how long to look for subscribers before the first message (4s)',
    )
    add(
        '--wait-for-subscribers', type=_duration, metavar='DURATION',
        help='begin when each topic has a subscriber, or after so long (0: do not wait for them)',
    )
    add(
        '--no-real-time', dest='real_time', action='store_false',
        help='do not ask the system for real-time priority for the thread that publishes',
    )
    add(
        '--disable-keyboard-controls', dest='keyboard', action='store_false',
        help='leave the keyboard alone',
    )


def _add_topics(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add('--prefix', help='name before every topic, such as /replay')
    add(
        '--remap', action='append', metavar='A:=B',
        help='publish topic A as B, without the prefix; may be given several times',
    )
    add(
        '--clock', type=float, nargs='?', const=DEFAULT_CLOCK_HZ, metavar='HZ',
        help=f'publish /clock, so often ({DEFAULT_CLOCK_HZ:g})',
    )
    add(
        '--clock-topics', action='append', metavar='GLOB',
        help='publish /clock before each message of these recorded topics',
    )
    add('--clock-topics-all', action='store_true', help='publish /clock before each message')
    add(
        '--now', action='store_true',
        help='shift header stamps and other times in the messages to the present',
    )
    add(
        '--no-metrics', dest='metrics', action='store_false',
        help='leave out metrics, events and alerts of the history',
    )
    add(
        '--no-latched', dest='latched', action='store_false',
        help='do not begin with what was latched then, such as /map and /tf_static',
    )
