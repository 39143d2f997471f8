"""
The process of a session: it plays a selection to the viewers that connect to its port.

Started with the session's settings as a line of JSON on standard input. It answers with a line
``ready``, or with one ``error``; then it takes orders and tells its state, a line each. It ends
when its standard input ends.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
import logging
import os
import signal
import sys
import time
from typing import Any

import foxglove

from twinsight_bridge.playback.audience import Audience
from twinsight_bridge.playback.order import Order
from twinsight_bridge.playback.orders import Orders
from twinsight_bridge.playback.parent_lines import ParentLines
from twinsight_bridge.playback.playback_control import Done, PlaybackControl
from twinsight_bridge.playback.scene_feed import SceneFeed
from twinsight_bridge.playback.seek_gate import SeekGate
from twinsight_bridge.playback.session_settings import SessionSettings
from twinsight_bridge.playback.teller import PERIOD_S, Teller
from twinsight_bridge.playback.viewer_channels import ViewerChannels
from twinsight_bridge.playback.viewer_server import ViewerServer
from twinsight_bridge.playback.viewer_sink import ViewerSink
from twinsight_replay.bad_records import BadRecords
from twinsight_replay.episode import history_of_environment
from twinsight_replay.periodic import Periodic
from twinsight_replay.play_options import PlayOptions
from twinsight_replay.player import Player
from twinsight_replay.playing import Status
from twinsight_replay.process_tuning import spare_collections, tune_process
from twinsight_replay.reading_process import ReadingProcess
from twinsight_replay.topic_names import TopicNames
from twinsight_replay.wakeup import Wakeup
from twinsight_store import labels as label
from twinsight_store.connection import StoreSettings
from twinsight_store.errors import TwinsightError
from twinsight_store.open_timeline import TimelineSettings

_PATIENCE_S = 1e9  # once it plays, a store that is away is waited for
_END_S = 10.0

_log = logging.getLogger('twinsight_bridge.playback')


class SessionProcess:
    """A session: what is read, how it is played, and who it is played to."""

    def __init__(self, settings: SessionSettings, lines: ParentLines) -> None:
        self._settings = settings
        self._lines = lines
        self._server: ViewerServer | None = None
        self._player: Player | None = None
        self._control: PlaybackControl | None = None
        self._jumped_to_ns = 0
        self._bad_records = BadRecords(self._warn)

    def run(self) -> None:
        """Play until the parent is gone; raises what opening and reading do."""
        settings, wakeup = self._settings, Wakeup()
        orders = Orders(self._lines, self._end)
        orders.watch()
        with ReadingProcess(
            settings.selection, self._timeline_settings(), wakeup.set, settings.read_ahead_bytes
        ) as reading:
            context, gate = foxglove.Context(), SeekGate(self._tell_seek)
            channels = self._channels(context, reading)
            sink = ViewerSink(channels, gate, self._tell_jump)
            options = PlayOptions(rate=settings.rate, paused=True, stay=True)
            self._player = player = Player(SceneFeed(reading), sink, wakeup, options)
            player.prepare()
            self._control = control = PlaybackControl(player, sink, gate)
            audience = Audience(is_wanted=not settings.paused)
            with ViewerServer(
                f'Replay of {settings.selection.describe()}',
                f'{settings.session_id} {time.time_ns()}', context, reading.span_ns, control,
                sink, audience,
            ) as server:
                self._server = server
                teller = Teller(control, gate, audience, server, self._tell_parent)
                orders.answer_with(partial(self._obey, control, audience, server))
                self._lines.tell({'ready': {
                    'port': server.port, 'span_ns': reading.span_ns,
                    'latched': channels.latched, 'topics': len(channels),
                    'state': self._state(control.status()),
                }})
                with Periodic(PERIOD_S, teller.tick, 'twinsight-teller'):
                    self._play(player, server)

    def _play(self, player: Player, server: ViewerServer) -> None:
        spare_collections()
        try:
            player.run()
        except TwinsightError as error:
            server.fail(f'the replay ended: {error}')
            raise

    def _timeline_settings(self) -> TimelineSettings:
        first, *more = self._settings.buckets
        records = StoreSettings.from_environment(
            bucket=first, more_buckets=tuple(more), patience_s=_PATIENCE_S
        )
        return TimelineSettings(
            records, history_of_environment(_PATIENCE_S), on_bad_record=self._bad_records.add
        )

    def _channels(self, context: foxglove.Context, reading: ReadingProcess) -> ViewerChannels:
        names = TopicNames()
        names.tell_apart([robot_id for robot_id, _ in reading.channels])
        channels = ViewerChannels(context, names, self._warn)
        for robot_id, channel in reading.channels:
            channels.announce({label.ROBOT: robot_id}, channel)
        return channels

    def _obey(
        self, control: PlaybackControl, audience: Audience, server: ViewerServer, order: Order
    ) -> dict[str, Any]:
        with control.lock:
            if order.play is not None:
                audience.decided()
            return self._state(control.obey(order, server.tell_state).status)

    def _end(self) -> None:
        """End soon: the parent is gone, so nobody is there to wait for what holds up the end."""
        if self._player:
            self._player.close()
            time.sleep(_END_S)
        os._exit(1)

    def _tell_jump(self, to_ns: int) -> None:
        self._jumped_to_ns = to_ns
        if self._server:
            self._server.tell_time(to_ns)

    def _tell_seek(self) -> None:
        if self._server and self._control:
            status, did_seek = self._control.done(did_seek=True)
            status = status._replace(position_ns=self._jumped_to_ns)
            self._server.tell_state(Done(status, did_seek))

    def _tell_parent(self, status: Status) -> None:
        with suppress(OSError):
            self._lines.tell({'state': self._state(status)})

    def _state(self, status: Status) -> dict[str, Any]:
        return {
            'state': status.state.value, 'position_ns': status.position_ns, 'rate': status.rate,
            'messages': status.messages, 'bytes': status.bytes,
            'unreadable': self._bad_records.count,
        }

    def _warn(self, text: str) -> None:
        _log.warning('session %s: %s', self._settings.session_id, text)
        if self._server:
            self._server.warn(text)


def main() -> int:
    """Play what the first line says; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format='%(levelname)s %(message)s')
    tune_process()
    lines = ParentLines()
    given = next(iter(lines), None)
    if given is None:
        return 0
    try:
        SessionProcess(SessionSettings.from_json(given), lines).run()
    except TwinsightError as error:
        with suppress(OSError):
            lines.tell({'error': {'kind': type(error).__name__, 'message': str(error)}})
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
