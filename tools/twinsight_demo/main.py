"""The demo from start to end: source, recording, replay, comparison, metrics."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
import json
import math
import os
from pathlib import Path
import signal
import sys
import tempfile

from rich.console import Console

from twinsight_demo import display, sighting
from twinsight_demo.child import Child, executable
from twinsight_demo.comparison import compare
from twinsight_demo.metrics import metric_rows
from twinsight_demo.sighting import digest_of, Sighting
from twinsight_demo.simulation import record_simulation
from twinsight_demo.stores import stores
from twinsight_demo.waiting import show_progress
from twinsight_recorder.bags.bag_files import find_bags
from twinsight_recorder.bags.bag_reader import open_bag
from twinsight_replay.episode import open_episode
from twinsight_store.channel import Channel
from twinsight_store.connection import StoreSettings
from twinsight_store.errors import TwinsightError
from twinsight_store.history.missions import missions
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.message_types import message_class, UnknownTypeError
from twinsight_store.ros_qos import is_latched, is_reliable, offer_of
from twinsight_store.selection import Selection
from twinsight_tools.messages import exit_code_of, ToolError
from twinsight_tools.ros_domain import own_ros_domain

ROBOT = 'robot_01'
MISSION = 'demo'
PREFIX = '/replay'
SIMULATED_S = 10.0
_LONGEST_REPLAY_S = 20.0
_WIDTH = 116


def main() -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(
        prog='demo', description=__doc__, epilog='example: make demo BAG=path/to/bag.mcap'
    )
    parser.add_argument(
        '--bag', type=Path,
        help='a recording in place of the simulated robot; it is shown without metrics',
    )
    parser.add_argument('--seconds', type=float, default=SIMULATED_S, help='simulated time (10)')
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    # Robots of the same lab must not hear the demo, nor the demo them.
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'

    def run() -> int:
        try:
            with (
                own_ros_domain() as number, _scratch() as folder,
                stores(folder, console, metrics=not options.bag),
            ):
                os.environ['ROS_DOMAIN_ID'] = str(number)
                # Nor must what waits in a recorder's spool for another store come here.
                os.environ['ROS_HOME'] = str(folder / 'ros')
                return 0 if _demo(options, folder, console) else 1
        except TwinsightError as error:
            raise ToolError(str(error)) from error

    return exit_code_of(run)


def _demo(options: argparse.Namespace, folder: Path, console: Console) -> bool:
    rate = 1.0
    if options.bag:
        published = _import_bag(options.bag, folder, console)
        times = [each.time_ns for each in published]
        rate = max(1.0, math.ceil((max(times) - min(times)) / 1e9 / _LONGEST_REPLAY_S))
    else:
        published = record_simulation(options.seconds, ROBOT, MISSION, folder, console)
    topics = {each.topic for each in published}
    selection = Selection(robots=(ROBOT,), missions=(MISSION,))
    with open_episode(selection, records=_settings(), history=None) as episode:
        channels = {
            channel.topic: channel for _, channel in episode.channels if channel.topic in topics
        }
        stored = [
            Sighting(m.topic, m.receive_ns, len(m.data), digest_of(m.data))
            for m in episode if m.topic in topics
        ]
    known = {topic: channel for topic, channel in channels.items() if _is_installed(channel)}
    messages = Counter(each.topic for each in stored)
    replayed = _replay(known, messages, rate, folder, console)
    rows = compare(
        published, stored, replayed, PREFIX, rate, frozenset(channels) - frozenset(known)
    )
    good = display.show(console, rows, rate, 'in the bag' if options.bag else 'published')
    return good if options.bag else _show_metrics(console, published) and good


def _show_metrics(console: Console, published: Sequence[Sighting]) -> bool:
    """Print what the stores of the metrics have; return whether it is all there."""
    messages = Counter(each.topic for each in published)
    good = display.show_metrics(console, metric_rows(ROBOT, MISSION, messages))
    selection = Selection(robots=(ROBOT,), missions=(MISSION,))
    for mission in missions(PostgresSettings.from_environment(), selection):
        display.show_mission(console, mission)
    return good


def _import_bag(bag: Path, folder: Path, console: Console) -> list[Sighting]:
    """Import a recording; return what is in it."""
    console.print(f'importing {bag}')
    command = executable(
        'twinsight_recorder', 'import_bag', str(bag), '--robot', ROBOT, '--mission', MISSION,
    )
    with Child('import_bag', command, folder) as importing:
        importing.finish(600.0)
    found = []
    for file in find_bags([bag]):
        with open_bag(file) as reader:
            found += [
                Sighting(m.channel.topic, m.receive_ns, len(m.data), digest_of(m.data))
                for m in reader.messages()
            ]
    return found


def _replay(
    channels: dict[str, Channel], messages: Mapping[str, int], rate: float, folder: Path,
    console: Console,
) -> list[Sighting]:
    """
    Replay the channels' topics and return what a node that listens saw of them.

    messages  topic → how many there are to be seen
    """
    topics = folder / 'topics.json'
    out = folder / 'replayed.jsonl'
    offers = {topic: offer_of(channel.offered_qos) for topic, channel in channels.items()}
    topics.write_text(json.dumps([
        {
            'topic': PREFIX + topic, 'type': channel.type_name,
            'reliable': is_reliable(offers[topic]), 'latched': is_latched(offers[topic]),
            'messages': messages[topic],
        }
        for topic, channel in channels.items()
    ]))
    looking = [sys.executable, '-m', 'twinsight_demo.witness', str(topics), str(out)]
    replaying = executable(
        'twinsight_replay', 'replay', '--robot', ROBOT, '--mission', MISSION,
        '--prefix', PREFIX, '--rate', str(rate), '--wait-for-subscribers', '20',
        *(word for topic in channels for word in ('--topic', topic)),
    )
    with Child('witness', looking, folder) as witness:
        witness.wait_for('ready')
        with Child('replay', replaying, folder) as replay:
            show_progress(console, 'the replay node publishes it again', None, replay)
            replay.finish(30.0)
        witness.finish(60.0, ask=signal.SIGTERM)
    return sighting.read(out)


def _settings() -> StoreSettings:
    return StoreSettings.from_environment()


def _is_installed(channel: Channel) -> bool:
    try:
        message_class(channel.type_name)
    except UnknownTypeError:
        return False
    return True


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix='twinsight-demo-') as folder:
        Path(folder).chmod(0o711)  # root's PostgreSQL is another user, who has to get to its data
        yield Path(folder)


if __name__ == '__main__':
    sys.exit(main())
