"""What a metrics recorder does: topics become samples, and go on with missions and alerts."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
import math
import re
import time

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from twinsight_interfaces.msg import Alert
from twinsight_recorder.alerting.change import AlertChange, to_event
from twinsight_recorder.alerting.message import to_message
from twinsight_recorder.alerting.settings import alert_rules
from twinsight_recorder.alerting.watch import AlertWatch
from twinsight_recorder.metrics.notices import Notices
from twinsight_recorder.metrics.outbox import MetricOutbox, SinkRunner, SinkState
from twinsight_recorder.metrics.recorder_bytes import RecorderBytes, STATUS_TYPE
from twinsight_recorder.metrics.rules import MetricRules
from twinsight_recorder.metrics.settings import MetricsSettings
from twinsight_recorder.metrics.state_topics import StateTopics, Take
from twinsight_recorder.metrics.stores import Store
from twinsight_recorder.mission.channel import MissionChannel
from twinsight_recorder.mission.choice import first_mission, Mission
from twinsight_store.metrics.columns import SampleColumns
from twinsight_store.metrics.fact import Alive, Fact, MissionEnded, MissionStarted

_ALIVE_S = 1.0
_AGAIN_S = 60.0
"""What is told once is told again: a spool that was full dropped it first."""

_LAST_ROUNDS = 50
_ALERT_QOS = QoSProfile(
    depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


class MetricsRecording:
    """
    Everything between a node's subscriptions and the log of its outbox.

    All of it runs in the thread that calls turn(); sinks and alerts have threads of their own.
    """

    def __init__(
        self, node: Node, settings: MetricsSettings, stores: Sequence[Store],
    ) -> None:
        """Begin to write what an earlier process left; raises SpoolError, ConfigurationError."""
        self.settings = settings
        self._robot_id = settings.robot_id
        self._log = node.get_logger()
        self._exclude = [re.compile(text) for text in settings.exclude]
        self._rules = MetricRules(
            settings.rules, settings.ready_made, self._log.warning, node.get_namespace()
        )
        self.columns = SampleColumns(self._rules.names)
        self._facts: list[Fact] = []
        self._bytes = RecorderBytes(
            self._robot_id, self._facts.append, self.columns.counts, self._log.warning
        )
        self.topics = StateTopics(node, self._taker_of, self._log.error)
        self.missions = MissionChannel(
            node, self._robot_id, first_mission(settings.mission_id, time.time_ns()),
            self._change_mission,
        )
        self._settled = False
        self._settle_at = time.monotonic() + settings.mission_wait
        self._alive_at = 0.0
        self._again_at = time.monotonic() + _AGAIN_S
        name = node.get_fully_qualified_name()
        spool = settings.spool.placed(self._robot_id, name)
        self._alert_publisher = node.create_publisher(Alert, '~/alerts', _ALERT_QOS)
        self._changes: deque[AlertChange] = deque()
        self.alerts = AlertWatch(
            alert_rules(settings.alerts), spool.folder, self._robot_id, self._changes.append,
            self._log.warning,
        )
        self._notices = Notices(self._log.error, self._log.info)
        self.outbox = MetricOutbox(
            f'{self._robot_id}{name}/{time.time_ns()}', spool, int(settings.memory_limit),
            stores, self._hear, self._tell_earlier,
        )

    @property
    def mission(self) -> Mission:
        """Return the mission of now."""
        return self.missions.current

    @property
    def failure(self) -> Exception | None:
        """Return what ended a thread, which is a defect."""
        return self.outbox.failure or self.alerts.failure

    def turn(self) -> None:
        """Take what has arrived and send it on; to be called some dozens of times a second."""
        self.missions.take()
        self.topics.take()
        if self._is_settled():
            self._seal()

    def begin_mission(
        self, mission_id: str, ended: str = '', labels: Mapping[str, str] | None = None
    ) -> Mission:
        """
        Begin a mission for all recorders of the robot.

        mission_id  empty: a new one, of date and time
        ended       the mission that it ends on purpose
        """
        self.topics.take()
        self._settle()
        self._seal()
        self._follow(self.missions.request(mission_id, ended, labels))
        return self.mission

    def finish(self) -> int:
        """
        Take what has arrived, and write; what is not written in time stays in the spool.

        Return how many samples are lost, as no disk took them.
        """
        self._settle()
        for _ in range(_LAST_ROUNDS):
            if not self.topics.take():
                break
            self._seal()
        self._seal()
        self.alerts.close()
        self._seal()
        return self.outbox.close(self.settings.stop_timeout)

    def close(self) -> None:
        """Leave all topics."""
        self.topics.close()
        self.missions.close()

    def _tell_earlier(self, samples: int) -> None:
        """Say what the spool holds; called in the outbox's thread."""
        self._log.info(
            f'the spool holds {samples} samples of an earlier recorder: they are written first, '
            'where they are not written already'
        )

    def _taker_of(self, topic: str, type_name: str) -> Take | None:
        if type_name == STATUS_TYPE:
            return self._bytes.take_from(topic)
        if any(pattern.fullmatch(topic) for pattern in self._exclude):
            return None
        if not self._rules.wants(topic, type_name):
            return None
        extractor, columns = self._rules.extractor(topic, type_name), self.columns

        def take(data: bytes, receive_ns: int) -> None:
            extractor.take(data, receive_ns, columns)
            if columns.is_large:
                self._settle()  # there is no room to wait for others any longer
                self._seal()

        return take

    def _is_settled(self) -> bool:
        """Return whether it is known which mission it is; at the start others may tell it."""
        if not self._settled and (
            self.missions.heard or time.monotonic() >= self._settle_at
        ):
            self._settle()
        return self._settled

    def _settle(self) -> None:
        if self._settled:
            return
        self._settled = True
        self.missions.announce()
        mission = self.mission
        self._tell_mission(mission)
        self.alerts.start(mission.mission_id, mission.began_ns)
        self._log.info(f'metrics of robot {self._robot_id}, mission {mission.mission_id}')

    def _change_mission(self, mission: Mission) -> None:
        """Follow another node; ``missions.current`` is still the mission before."""
        if not self._settled:
            return
        self.topics.take()
        self._seal()
        self._follow(mission)

    def _follow(self, mission: Mission) -> None:
        self._tell_mission(mission)
        self._rules.forget()
        self._log.info(f'from now on: robot {self._robot_id}, mission {mission.mission_id}')

    def _tell_mission(self, mission: Mission) -> None:
        if mission.ended:
            self._facts.append(MissionEnded(self._robot_id, mission.ended, mission.began_ns))
        self._tell_start(mission)

    def _tell_start(self, mission: Mission) -> None:
        self._facts.append(
            MissionStarted(
                self._robot_id, mission.mission_id, mission.began_ns, mission.labels
            )
        )
        self._again_at = time.monotonic() + _AGAIN_S

    def _once_a_second(self) -> None:
        """Tell that the robot is there, and again some of what was told once."""
        now_s = time.monotonic()
        if now_s < self._alive_at:
            return
        self._alive_at = now_s + _ALIVE_S
        self._facts.append(Alive(self._robot_id, self.mission.mission_id, time.time_ns()))
        names = self._rules.names
        share = math.ceil(len(names) * _ALIVE_S / _AGAIN_S)
        self._facts += names.infos_again(self._robot_id, share)
        if now_s >= self._again_at:
            self._tell_start(self.mission)
        for runner in self.outbox.runners:
            self._hear(runner)

    def _seal(self) -> None:
        mission_id = self.mission.mission_id
        self._once_a_second()
        while self._changes:
            change = self._changes.popleft()
            self._alert_publisher.publish(to_message(change))
            self._facts.append(to_event(change))
        infos = self._rules.names.new_infos(self._robot_id)
        if not (len(self.columns) or self._facts or infos):
            return
        facts = [*infos, *self._facts]
        self._facts.clear()
        batch = self.columns.sealed(self._robot_id, mission_id, facts)
        if len(batch) and self.settings.alerts:
            self.alerts.offer(batch)
        self.outbox.offer(batch)

    def _hear(self, runner: SinkRunner) -> None:
        """Say that a store is away, refuses, or is back; called in the sink's thread too."""
        name, problem = runner.sink.name, runner.problem
        self._notices.hear(name, name, problem and f'{problem}; metrics wait in the spool')
        if runner.state == SinkState.OK:
            self._notices.tell(getattr(runner.sink, 'layout', '') or f'{name} takes metrics')
