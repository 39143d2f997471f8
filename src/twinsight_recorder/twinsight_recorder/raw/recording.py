"""One recording: what a recorder node does between its configuration and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
import time
from typing import NamedTuple

from rclpy.node import Node

from twinsight_recorder.mission.channel import MissionChannel
from twinsight_recorder.mission.choice import first_mission, Mission
from twinsight_recorder.raw.big_losses import BigLosses
from twinsight_recorder.raw.delivery import StoreReport, StoreState
from twinsight_recorder.raw.intake import Arrival, Intake
from twinsight_recorder.raw.labelling import Labelling
from twinsight_recorder.raw.observation import Observation
from twinsight_recorder.raw.pump import Pump, Recovery
from twinsight_recorder.raw.recorded_topic import RecordedTopic
from twinsight_recorder.raw.replicating import Replicating
from twinsight_recorder.raw.settings import RecorderSettings, SnapshotRuleSettings
from twinsight_recorder.raw.snapshot_ring import SnapshotRing
from twinsight_recorder.raw.topic_rules import TopicRules
from twinsight_recorder.raw.topic_watch import TopicWatch
from twinsight_store.errors import TwinsightError

_REPEAT_S = 30
_LAST_ROUNDS = 50


class ControlError(TwinsightError):
    """What was asked for does not fit what the recorder does at the moment."""


class Snapshot(NamedTuple):
    """How many messages of the past a snapshot stores, and how many seconds they cover."""

    messages: int
    before_s: float


class Mode(IntEnum):
    """What the recorder does; the numbers are those of RecorderStatus."""

    STOPPED = 0
    RECORDING = 1
    PAUSED = 2
    SNAPSHOT = 3


class Recording:
    """
    Subscriptions, memory, spool and writing thread of one recorder, and their control.

    Everything but the writing runs in the thread that calls take(). Who gives a mission an id
    that is not accepted gets a ConfigurationError.

    counts_from_ns  Unix time when the counts of the mission of now began at 0
    """

    def __init__(self, node: Node, settings: RecorderSettings, own_topics: Iterable[str]) -> None:
        """Begin to write; raises ConfigurationError where an address is not set."""
        store = settings.store_settings()
        self.settings = settings
        self.counts_from_ns = time.time_ns()
        mission = first_mission(settings.mission_id, self.counts_from_ns)
        self.labelling = Labelling(settings.robot_id, mission.mission_id, store.bucket)
        self.before_mission_change: Callable[[], None] = lambda: None
        limit = int(settings.memory_limit)
        if settings.mode == 'snapshot':  # a snapshot is handed over all at once
            limit += int(settings.snapshot.memory)
        self.intake = Intake(limit)
        self.report = StoreReport(StoreState.WAITING, '')
        self.recovery: Recovery | None = None
        self._log = node.get_logger()
        self._started = False
        self._ring: SnapshotRing | None = None
        if settings.mode == 'snapshot':
            snapshot = settings.snapshot
            self._ring = SnapshotRing(
                round(snapshot.duration * 1e9), int(snapshot.memory),
                lambda topic: topic.is_latched,
            )
            self.intake.gate = self._ring.add
        self.pump = Pump(
            self.intake, settings.store_settings, settings.chunk_rules(),
            settings.spool.placed(settings.robot_id, node.get_fully_qualified_name()),
            Replicating(
                settings.replication_rules(), settings.robot_id,
                (store.bucket, *settings.buckets),
            ),
            self._store_changed, self._recovered,
        )
        observation = Observation(
            settings, self._label_changed, self._rule_fired, self._log.error
        )
        self._rules = TopicRules(settings, frozenset(own_topics))
        self.watch = TopicWatch(
            node, self._rules, self.labelling, self.intake, observation.observers(),
            self._log.error,
        )
        self._missions = MissionChannel(node, settings.robot_id, mission, self._follow)
        self._big_losses = BigLosses(self.watch, self._log.warning)
        self._place = f'bucket {store.bucket} at {store.url}'
        self._spool_problem = ''
        self.pump.start()

    @property
    def mode(self) -> Mode:
        """Return what the recorder does at the moment."""
        if not self._started:
            return Mode.STOPPED
        if self.intake.paused:
            return Mode.PAUSED
        return Mode.RECORDING if self._ring is None else Mode.SNAPSHOT

    @property
    def topics(self) -> list[RecordedTopic]:
        """Return all topics that were ever recorded."""
        return list(self.watch.topics.values())

    @property
    def what(self) -> str:
        """Return robot and mission in words."""
        return f'robot {self.labelling.robot_id}, mission {self.labelling.mission_id}'

    def look_around(self) -> None:
        """Subscribe to topics that appeared; say it where the spool's state changed."""
        if self._started:
            self.watch.update()
        problem = self.pump.journal.problem
        if problem != self._spool_problem:
            self._spool_problem = problem
            if problem:
                self._log.error(problem)
            else:
                self._log.info('the spool takes messages again')

    def look_at_losses(self) -> None:
        """Warn of topics whose big messages are lost in DDS; to be called once a second."""
        if self._started:
            self._big_losses.look(time.monotonic_ns())

    def take(self) -> int:
        """Take what has arrived; return how many messages."""
        self._missions.take()
        return self.watch.take() if self._started else 0

    def start(self, mission_id: str | None = None) -> None:
        """Begin to record, where a mission is given ('' for a new one) as that mission."""
        if self._started:
            raise ControlError(f'recording already: {self.what}')
        if mission_id is not None:
            self._begin(self._missions.request(mission_id))
        else:
            self._missions.announce()
        self._started = True
        self.intake.paused = False
        self.watch.relabel()
        self.watch.update()
        kept = 'keeping the last seconds of' if self._ring is not None else 'recording'
        self._log.info(f'{kept} {self.what} into {self._place}')

    def stop(self) -> None:
        """End all subscriptions; what was received is stored."""
        self._must_be_started()
        self._take_rest()
        self.watch.leave_all()
        self._started = False
        self.pump.close_chunks()
        self._log.info(f'stopped: {self.what}')

    def pause(self) -> None:
        """Leave out what arrives from now on; it is counted."""
        self._must_be_started()
        if self.intake.paused:
            raise ControlError('paused already')
        self.watch.take()
        self.intake.paused = True
        self.pump.close_chunks()
        self._log.info('paused')

    def resume(self) -> None:
        """Record again what arrives from now on."""
        self._must_be_started()
        if not self.intake.paused:
            raise ControlError('not paused')
        self.watch.take()
        self.intake.paused = False
        self._log.info('resumed')

    def split(self) -> int:
        """Begin the next part of the mission; return its number, which is label ``part``."""
        self._must_be_started()
        self.watch.take()
        self.labelling.split()
        self.watch.relabel()
        self.pump.close_chunks()
        self._log.info(f'part {self.labelling.part} of mission {self.labelling.mission_id}')
        return self.labelling.part

    def set_mission(self, mission_id: str) -> None:
        """Label what arrives from now on with another mission; empty: a new one."""
        if self._started:
            self.watch.take()
        self._begin(self._missions.request(mission_id))

    def change_topics(self, add: Iterable[str], drop: Iterable[str]) -> None:
        """Record more topics, or fewer; raises ConfigurationError for what is no pattern."""
        for pattern in add:
            self._rules.add(pattern)
        for pattern in drop:
            self._rules.drop(pattern)
        if self._started:
            self.watch.take()
            self.watch.apply_rules()
            self.watch.update()

    def take_snapshot(self, before_s: float, after_s: float) -> Snapshot:
        """
        Store what is kept of the last seconds, and what comes in the next.

        before_s  0 for all that is kept
        """
        self._must_be_started()
        if self._ring is None:
            raise ControlError('the recorder stores everything: snapshots need mode: snapshot')
        if before_s < 0 or after_s < 0:
            raise ControlError('before and after: accepted are 0 and more seconds')
        self.watch.take()
        covers_s = self._ring.covers_ns / 1e9
        before_s = before_s or self.settings.snapshot.duration
        return Snapshot(self._open_ring(before_s, after_s), min(before_s, covers_s))

    def finish(self) -> None:
        """Take what has arrived, and write; what is not stored in time stays in the spool."""
        if self._started:
            self._take_rest()
            self._started = False
        self.pump.stop(self.settings.stop_timeout)
        if self.report.message:
            self._log.error(self.report.message)

    def close(self) -> None:
        """Leave the topic of missions."""
        self._missions.close()

    def _follow(self, mission: Mission) -> None:
        if self._started:
            self.watch.take()
        self._begin(mission)

    def _begin(self, mission: Mission) -> None:
        if mission.mission_id == self.labelling.mission_id:
            return  # it goes on, and its counts with it
        self.before_mission_change()
        self.counts_from_ns = time.time_ns()
        self.labelling.begin_mission(mission.mission_id)
        self.watch.relabel()
        for topic in self.topics:
            topic.begin_mission()
        self.pump.close_chunks()
        self._log.info(f'from now on: {self.what}')

    def _take_rest(self) -> None:
        for _ in range(_LAST_ROUNDS):
            if not self.watch.take():
                return

    def _must_be_started(self) -> None:
        if not self._started:
            raise ControlError('stopped: start first')

    def _open_ring(self, before_s: float, after_s: float) -> int:
        assert self._ring is not None
        arrivals: list[Arrival] = self._ring.open(
            time.time_ns(), round(before_s * 1e9), round(after_s * 1e9)
        )
        self.intake.put_all(arrivals)
        return len(arrivals)

    def _label_changed(self, name: str, text: str | None) -> None:
        self.labelling.set_dynamic(name, text)
        self.watch.relabel()

    def _rule_fired(self, name: str, rule: SnapshotRuleSettings) -> None:
        messages = self._open_ring(rule.before, rule.after)
        self._log.info(
            f'rule {name} ({rule.when} on {rule.topic}): snapshot of {messages} messages, '
            f'and the next {rule.after:g} s'
        )

    def _store_changed(self, report: StoreReport) -> None:
        """Say that the store is away, refuses, or is back; called in the writing thread."""
        before, self.report = self.report, report
        if report.state == StoreState.OK:
            if before.message:
                self._log.info('ReductStore takes records again')
            return
        next_step = 'waiting for it' if report.state == StoreState.WAITING else 'recording goes on'
        self._log.error(f'{report.message}; {next_step}', throttle_duration_sec=_REPEAT_S)

    def _recovered(self, recovery: Recovery) -> None:
        """Say what an earlier recorder left; called in the writing thread."""
        self.recovery = recovery
        if not recovery.ended:
            self._log.info('the spool holds messages of an earlier recorder: they are sent first')
        else:
            self._log.info(
                f'{recovery.found} messages of an earlier recorder were in the spool, '
                f'{recovery.stored_already} of them stored already'
                + (f', {recovery.dropped} dropped: it was full' if recovery.dropped else '')
            )
