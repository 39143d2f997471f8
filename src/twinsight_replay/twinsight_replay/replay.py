"""The replay command: stored messages onto ROS topics, in time order."""

from __future__ import annotations

import argparse
import json
import signal
import sys

import rclpy
from rclpy.signals import SignalHandlerOptions
from rich.console import Console

from twinsight_replay import report
from twinsight_replay.player import Player
from twinsight_replay.position import shown
from twinsight_replay.topic_names import TopicNames
from twinsight_replay.topic_publishers import TopicPublishers
from twinsight_store.connection import StoreSettings
from twinsight_store.exit_code import exit_code_of, INTERRUPTED
from twinsight_store.read import channels_of, read, span_of, with_records
from twinsight_store.ros_arguments import ros_argument_errors, split_arguments
from twinsight_store.selection import Selection
from twinsight_store.selection_arguments import (
    add_selection_arguments,
    join_relative_times,
    selection_from,
    settings_from,
)
from twinsight_store.times import format_span

_EXAMPLE = """examples:
  ros2 run twinsight_replay replay --robot robot_05 --mission mission_42 --from 14:00 --to 14:15
  ros2 run twinsight_replay replay --robot robot_05 --from -15m --topic '/camera/*' --rate 2.0
  ros2 run twinsight_replay replay --robot robot_05 --prefix /replay --remap /odom:=/old_odom
"""
_SWITCH_INTERVAL_S = 0.0005
_WIDTH = 110


def main(arguments: list[str] | None = None) -> int:
    """Replay what the command line selects; return the exit code."""
    arguments = sys.argv if arguments is None else arguments
    try:
        return exit_code_of('replay', lambda: _run(arguments))
    finally:
        rclpy.try_shutdown()


def _run(arguments: list[str]) -> int:
    own, ros = split_arguments(arguments)
    options = _parser().parse_args(join_relative_times(own))
    selection = selection_from(options)
    settings = settings_from(options)
    player = Player(options.rate)
    names = TopicNames(options.prefix, options.remap)
    interrupted: list[int] = []

    def stop(number: int, _: object) -> None:
        interrupted.append(number)
        player.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with ros_argument_errors():
        rclpy.init(args=ros, signal_handler_options=SignalHandlerOptions.NO)
    code = _replay(options, selection, settings, player, names)
    return INTERRUPTED if interrupted else code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='replay', description='Publish stored messages again, at their original intervals.',
        epilog=_EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_selection_arguments(parser)
    parser.add_argument('--rate', type=float, default=1.0, help='speed; 2.0 is twice as fast')
    parser.add_argument('--prefix', default='', help='name before every topic, such as /replay')
    parser.add_argument(
        '--remap', action='append', default=[], metavar='A:=B',
        help='publish topic A as B, without the prefix; may be given several times',
    )
    parser.add_argument(
        '--discovery-time', type=float, default=1.0, metavar='SECONDS',
        help='how long to wait for subscribers before the first message (1.0)',
    )
    parser.add_argument(
        '--wait-for-subscribers', type=float, default=0.0, metavar='SECONDS',
        help='begin when each topic has a subscriber, or after so long (0: do not wait for them)',
    )
    parser.add_argument('--json', action='store_true', help='print what was done as JSON')
    return parser


def _replay(
    options: argparse.Namespace, selection: Selection, settings: StoreSettings, player: Player,
    names: TopicNames,
) -> int:
    console = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH)
    # The thread that reads ahead must not hold up the one that publishes.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    with ros_argument_errors():
        node = rclpy.create_node('replay')
    log = node.get_logger()
    publishers = TopicPublishers(node, names, log.error)
    channels = with_records(selection, settings, channels_of)
    span = with_records(selection, settings, span_of)
    names.with_robot = len({robot_id for robot_id, _ in channels}) > 1
    for robot_id, channel in channels:
        publishers.announce(robot_id, [channel])
    for topic in names.unused([channel.topic for _, channel in channels]):
        log.warning(f'--remap {topic}: the selection has no such topic')
    console.print(f'{selection.describe()}: playing {format_span(*span)}', highlight=False)
    if options.wait_for_subscribers > 0:
        if lonely := publishers.wait_for_subscribers(options.wait_for_subscribers):
            log.warning(f'no subscriber on {", ".join(lonely)}; playing all the same')
    else:
        publishers.wait_for_discovery(options.discovery_time)
    with shown(console, span) as position:
        messages = read(selection, settings, on_bad_record=lambda error: log.error(str(error)))
        for due in player.play(messages):
            publishers.publish(due)
            position.move_to(due.message.receive_ns)
    publishers.finish()
    topics = [topic for topic in publishers.topics if topic.messages]
    if options.json:
        print(json.dumps(report.as_dict(topics), indent=2))
    else:
        console.print(report.as_table(topics))
    return 0 if any(topic.publisher is not None for topic in topics) else 1


if __name__ == '__main__':
    sys.exit(main())
