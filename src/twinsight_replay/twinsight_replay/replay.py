"""The replay command: stored messages onto ROS topics, in time order, under full control."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
import json
import signal
import sys
import time

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console

from twinsight_replay import report, status_line
from twinsight_replay.bad_records import BadRecords
from twinsight_replay.controls import Controls
from twinsight_replay.episode import history_of_environment
from twinsight_replay.keyboard import Keyboard
from twinsight_replay.live_parameters import declare_all
from twinsight_replay.player import Player
from twinsight_replay.process_tuning import spare_collections, tune_process
from twinsight_replay.reading_process import ReadingProcess
from twinsight_replay.real_time_clock import RealTimeClock
from twinsight_replay.replay_arguments import given, parser
from twinsight_replay.replay_settings import ReplaySettings, settings_of
from twinsight_replay.restamp import Restamp
from twinsight_replay.ros_side import RosSide
from twinsight_replay.ros_sink import RosSink
from twinsight_replay.sim_clock import SimClock
from twinsight_replay.status_topic import StatusTopic
from twinsight_replay.topic_names import TopicNames
from twinsight_replay.topic_publishers import TopicPublishers
from twinsight_replay.wakeup import Wakeup
from twinsight_store import labels as label
from twinsight_store.connection import StoreSettings
from twinsight_store.exit_code import exit_code_of, INTERRUPTED
from twinsight_store.history.postgres import URL_VARIABLE
from twinsight_store.open_timeline import Align, TimelineSettings
from twinsight_store.ros_arguments import ros_argument_errors, split_arguments
from twinsight_store.selection_arguments import join_relative_times
from twinsight_store.times import format_span

_PATIENCE_S = 1e9  # once it plays, a store that is away is waited for
_WIDTH = 110


def main(arguments: list[str] | None = None) -> int:
    """Replay what parameters and command line select; return the exit code."""
    arguments = sys.argv if arguments is None else arguments
    try:
        return exit_code_of('replay', lambda: _run(arguments))
    finally:
        rclpy.try_shutdown()


def _run(arguments: list[str]) -> int:
    own, ros = split_arguments(arguments)
    options = parser().parse_args(join_relative_times(own))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ros_argument_errors():
        rclpy.init(args=ros, signal_handler_options=SignalHandlerOptions.NO)
        node = Node(
            'replay', allow_undeclared_parameters=True,
            automatically_declare_parameters_from_overrides=True,
        )
    parameters = {name: each.value for name, each in node.get_parameters_by_prefix('').items()}
    settings = settings_of(parameters, given(options), ros)
    declare_all(node, settings)
    tune_process()
    return Replay(node, settings, getattr(options, 'json', False)).run()


class Replay:
    """A replay: what is read, how it is played, and where to."""

    def __init__(self, node: Node, settings: ReplaySettings, as_json: bool) -> None:
        """Make one; raises ConfigurationError for what the settings' types let through."""
        self._node = node
        self._log = node.get_logger()
        self._settings = settings
        self._as_json = as_json
        self._console = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH)
        self._selection = settings.selection
        self._options = settings.options
        self._names = TopicNames(settings.prefix, settings.remap)
        reserved = {}
        if settings.clock or self._clock_topics():
            reserved['/clock'] = 'the replay itself tells the time there'
        self._publishers = TopicPublishers(node, self._names, self._log.error, reserved)
        self._bad_records = BadRecords(self._log.error)

    def run(self) -> int:
        """Play; return the exit code."""
        wakeup = Wakeup()
        settings, limit_bytes = self._timeline_settings(), int(self._settings.read_ahead)
        with ReadingProcess(self._selection, settings, wakeup.set, limit_bytes) as feed:
            self._announce(feed)
            clock = self._clock()
            sink = RosSink(
                self._node, self._publishers, clock,
                self._restamp(feed) if self._settings.now else None, self._clock_topics(),
            )
            self._player = player = Player(
                feed, sink, wakeup, self._options,
                RealTimeClock(self._log.info) if self._settings.real_time else None,
            )
            player.prepare()
            controls = Controls(player)
            status = StatusTopic(
                self._node, self._publishers, lambda: self._bad_records.count,
                lambda: feed.queued,
            )
            with RosSide(self._node, controls, status, clock, self._settings.clock):
                self._wait_for_subscribers()
                try:
                    interrupted = self._play(controls)
                finally:
                    self._publishers.finish()
                    self._report()
        if interrupted and not self._options.stay:
            return INTERRUPTED
        if self._bad_records.count:
            return 1
        is_any = any(each.publisher for each in self._publishers.topics if each.messages)
        return 0 if is_any or self._options.stay else 1

    def _play(self, controls: Controls) -> bool:
        """Play until the end or a signal; return whether it was a signal."""
        interrupted: list[int] = []

        def stop(number: int, _: object) -> None:
            interrupted.append(number)
            self._player.close()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        with ExitStack() as shown:
            shown.enter_context(status_line.shown(self._console, controls.status))
            if self._settings.keyboard:
                shown.enter_context(
                    Keyboard(controls, partial(self._console.print, highlight=False))
                )
            spare_collections()
            self._player.run()
        return bool(interrupted)

    def _timeline_settings(self) -> TimelineSettings:
        first, *more = self._settings.buckets
        records = StoreSettings.from_environment(
            bucket=first, more_buckets=tuple(more), patience_s=_PATIENCE_S
        )
        history = None
        if self._settings.metrics:
            history = history_of_environment(_PATIENCE_S)
        return TimelineSettings(
            records, history, Align(self._settings.align), self._bad_records.add
        )

    def _announce(self, feed: ReadingProcess) -> None:
        """Make the publishers of all that there is, and say what will be played."""
        self._names.tell_apart([robot_id for robot_id, _ in feed.channels], feed.shifts)
        for robot_id, channel in feed.channels:
            missions = [mission for robot, mission in feed.shifts if robot == robot_id]
            for mission_id in missions or ['']:
                labels = {label.ROBOT: robot_id, label.MISSION: mission_id}
                self._publishers.announce(labels, channel)
        for topic in self._names.unused([channel.topic for _, channel in feed.channels]):
            self._log.warning(f'--remap {topic}: the selection has no such topic')
        if self._settings.metrics and history_of_environment() is None:
            self._log.info(f'metrics and events are not played: {URL_VARIABLE} is not set')
        span = format_span(*feed.span_ns)
        self._console.print(f'{self._selection.describe()}: playing {span}', highlight=False)

    def _clock(self) -> SimClock | None:
        wanted = self._settings.clock or self._clock_topics()
        return SimClock(self._node) if wanted else None

    def _clock_topics(self) -> tuple[str, ...]:
        return ('*',) if self._settings.clock_topics_all else self._settings.clock_topics

    def _restamp(self, feed: ReadingProcess) -> Restamp:
        offset_ns = time.time_ns() - time.monotonic_ns()
        return Restamp(
            lambda recorded_ns: self._player.clock_at(recorded_ns) + offset_ns, feed.shifts,
            self._log.error,
        )

    def _wait_for_subscribers(self) -> None:
        patience_s = self._settings.wait_for_subscribers
        if patience_s <= 0:
            self._publishers.wait_for_discovery(self._settings.discovery_time)
        elif lonely := self._publishers.wait_for_subscribers(patience_s):
            self._log.warning(f'no subscriber on {", ".join(lonely)}; playing all the same')

    def _report(self) -> None:
        topics = [each for each in self._publishers.topics if each.messages or each.latched]
        if self._as_json:
            print(json.dumps(report.as_dict(topics, self._bad_records.count), indent=2))
        else:
            self._console.print(report.as_table(topics))
            if self._bad_records.count:
                print(f'{self._bad_records.count} records could not be read', file=sys.stderr)


if __name__ == '__main__':
    sys.exit(main())
