"""What one recording of metrics hands to its stores; robot and recorder live in this process."""

from functools import partial
import io
import threading
import time

from nav_msgs.msg import Odometry
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from rich.console import Console
from std_msgs.msg import String

from twinsight_interfaces.msg import MetricsStatus
from twinsight_interfaces.msg import Mission as MissionMessage
from twinsight_recorder.kafka.settings import MESSAGE_BYTES
from twinsight_recorder.metrics import notices, recording
from twinsight_recorder.metrics.settings import MetricsSettings
from twinsight_recorder.metrics.status import MetricsReport, print_metrics_summary
from twinsight_recorder.metrics.stores import Store
from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.metrics.batch import encode
from twinsight_store.metrics.columns import SampleColumns
from twinsight_store.metrics.fact import MetricInfo, MissionEnded, MissionStarted
from twinsight_store.metrics.sink import Written

DEEP = QoSProfile(depth=5000)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
AWAY = StoreUnavailableError('redis does not answer: start it')


class Keeper:
    """A sink that keeps what it gets; ``answers`` are what it says first, before it does so."""

    name = 'redis'

    def __init__(self, *answers):
        self.answers = list(answers)
        self.batches = []
        self.largest = 0

    def write(self, deliveries):
        if self.answers:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, Exception):
                raise answer
        self.batches += [each.batch for each in deliveries]
        self.largest = max(self.largest, *(len(encode(each)) for each in deliveries))
        samples = sum(len(each.batch) for each in deliveries)
        return Written(samples - 1, 3, '1 sample, 2 facts') if self.answers else Written(samples)

    def close(self):
        pass

    def facts(self, kind):
        return [fact for batch in self.batches for fact in batch.facts if isinstance(fact, kind)]

    def values(self, name):
        return [
            batch.texts.get(row, float(batch.values[row]))
            for batch in self.batches for row in range(len(batch))
            if batch.series[batch.numbers[row]].name == name
        ]


class Robot:
    """A robot's node, and recordings of it in this process."""

    def __init__(self, ros, folder):
        self.ros = ros
        self.node = ros.node('robot')
        self.folder = folder
        self.made = []

    def record(self, sink, **given):
        settings = MetricsSettings(**{
            'robot_id': 'robot_05', 'mission_id': 'A', 'mission_wait': 0.1, 'stop_timeout': 20,
            'diagnostics': False, 'spool': {'folder': str(self.folder)}, **given,
        })
        node = self.ros.node('metrics_recorder')
        made = recording.MetricsRecording(node, settings, [Store(sink)])
        made.node = node
        self.made.append(made)
        return made

    def close(self):
        for each in self.made:
            each.finish()
            each.close()


@pytest.fixture
def robot(ros, tmp_path):
    found = Robot(ros, tmp_path / 'spool')
    yield found
    found.close()


def turn_until(made, condition, timeout_s=20.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, 'it did not happen in time'
        time.sleep(0.01)
        made.topics.update()
        made.turn()


def turn_for(made, seconds):
    end = time.monotonic() + seconds
    turn_until(made, lambda: time.monotonic() >= end)


def find(made, publisher):
    """Return when the recording is subscribed; what comes meanwhile it does not take."""
    while not publisher.get_subscription_count():
        made.topics.update()
        time.sleep(0.01)


def test_units_and_mission_are_told_again_for_a_spool_that_dropped_them(robot, monkeypatch):
    monkeypatch.setattr(recording, '_AGAIN_S', 1.0)
    sink = Keeper()
    made = robot.record(sink)
    odom = robot.node.create_publisher(Odometry, '/odom', DEEP)
    find(made, odom)
    odom.publish(Odometry())
    turn_until(made, lambda: sink.facts(MetricInfo))
    names = {info.name for info in sink.facts(MetricInfo)}
    assert 'odom.x' in names
    sink.batches.clear()  # lost
    turn_until(made, lambda: {info.name for info in sink.facts(MetricInfo)} == names)
    turn_until(made, lambda: sink.facts(MissionStarted))
    assert sink.facts(MissionStarted)[0] == MissionStarted('robot_05', 'A', made.mission.began_ns)


def test_once_a_minute_every_metric_had_its_turn(robot):
    made = robot.record(Keeper())
    names = made._rules.names
    for number in range(150):
        names.number(f'm{number}', 'm', '/t', 'f')
    told = [names.infos_again('robot_05', 3) for _ in range(50)]
    assert {info.name for part in told for info in part} == {f'm{n}' for n in range(150)}
    assert names.infos_again('robot_05', 3) == told[0]


@pytest.mark.parametrize('wait_s', [0.1, 60.0])
def test_nothing_is_dropped_while_the_mission_is_not_settled_or_a_turn_brings_much(
    robot, monkeypatch, wait_s,
):
    monkeypatch.setattr(recording, 'SampleColumns', partial(SampleColumns, most_rows=100))
    sink = Keeper()
    made = robot.record(sink, mission_wait=wait_s)
    odom = robot.node.create_publisher(Odometry, '/odom', DEEP)
    find(made, odom)
    for number in range(300):
        message = Odometry()
        message.pose.pose.position.x = float(number)
        odom.publish(message)
    turn_until(made, lambda: made.topics.messages == 300)
    assert made.columns.counts.dropped == 0
    made.finish()
    assert sink.values('odom.x') == [float(number) for number in range(300)]


def test_much_text_goes_in_batches_that_fit_into_a_message_of_kafka(robot):
    sink = Keeper()
    made = robot.record(sink)
    text = robot.node.create_publisher(String, '/log', DEEP)
    find(made, text)
    for number in range(900):
        text.publish(String(data=f'{number:04}' + '☃' * 4000))
    turn_until(made, lambda: made.topics.messages == 900)
    made.finish()
    assert len(sink.values('log')) == 900
    assert max(sum(map(len, batch.texts.values())) for batch in sink.batches) < 510_000
    assert sink.largest < MESSAGE_BYTES


def test_a_mission_that_was_ended_while_no_recorder_ran_is_ended_on_request(robot):
    told = robot.node.create_publisher(MissionMessage, 'mission', LATCHED)
    message = MissionMessage(
        robot_id='robot_05', mission_id='B', origin=2, ended_mission_id='yesterday'
    )
    message.header.stamp.sec = 1_700_000_000
    told.publish(message)
    sink = Keeper()
    made = robot.record(sink, mission_wait=10.0)
    turn_until(made, lambda: sink.facts(MissionStarted))
    began_ns = 1_700_000_000_000_000_000
    assert sink.facts(MissionEnded) == [MissionEnded('robot_05', 'yesterday', began_ns)]
    assert sink.facts(MissionStarted) == [MissionStarted('robot_05', 'B', began_ns)]


def test_another_reason_after_a_store_was_away_is_said_though_it_stays(robot, monkeypatch, capfd):
    monkeypatch.setattr(notices, '_QUIET_S', 0.5)
    made = robot.record(
        Keeper(AWAY, StoreRefusedError('redis: wrong password', 401)), stop_timeout=0
    )
    said = []

    def hear():
        said.append(capfd.readouterr().err)
        return ''.join(said)

    turn_until(made, lambda: 'wrong password' in hear())
    turn_for(made, 1.5)  # they are not said again
    assert hear().count('redis does not answer: start it; metrics wait in the spool') == 1
    assert hear().count('redis: wrong password; metrics wait in the spool') == 1


def test_without_alert_rules_there_is_no_thread_and_no_file(robot):
    made = robot.record(Keeper())
    turn_for(made, 1.5)
    assert 'twinsight-alerts' not in {thread.name for thread in threading.enumerate()}
    made.finish()
    assert not list(robot.folder.rglob('alerts.json*'))


def summary(made, unsaved):
    """Return the numbers of the one row, and what stands below the table."""
    text = io.StringIO()
    print_metrics_summary(Console(file=text, width=120), made, unsaved)
    lines = text.getvalue().splitlines()
    [row] = [line for line in lines if line.startswith('│ redis')]
    return [int(cell) for cell in row.split('│')[2:-1]], lines[-1]


def test_the_summary_adds_up_with_samples_of_every_fate(robot, monkeypatch):
    monkeypatch.setattr(recording, 'SampleColumns', partial(SampleColumns, most_rows=5))
    sink = Keeper(None, None)
    made = robot.record(sink, stop_timeout=0.3)
    odom = robot.node.create_publisher(Odometry, '/odom', DEEP)
    find(made, odom)
    odom.publish(Odometry())  # more values than there are rows
    turn_until(made, lambda: sink.batches and not made.outbox.waiting(made.outbox.runners[0]))
    sink.answers = [AWAY]
    odom.publish(Odometry())
    turn_until(made, lambda: made.topics.messages == 2)
    values = made.columns.counts.values
    (samples, written, dropped, refused, in_spool), below = summary(made, made.finish())
    assert samples == written + dropped + refused + in_spool == values
    assert dropped == values - 10 > 0
    assert refused >= 1
    assert in_spool == 5
    assert below.startswith('redis refused ') and below.endswith('facts besides: see above')


def test_lag_is_the_time_that_samples_wait_whatever_their_stamps_say(robot):
    rules = {'drive': {
        'topics': ['/odom'], 'time': 'stamp', 'metrics': {'x': {'field': 'pose.pose.position.x'}},
    }}
    made = robot.record(Keeper(AWAY), rules=rules, stop_timeout=0)
    odom = robot.node.create_publisher(Odometry, '/odom', DEEP)
    find(made, odom)
    message = Odometry()
    message.header.stamp.sec = 1_000  # a simulator's
    odom.publish(message)
    turn_until(made, lambda: made.columns.counts.samples)
    turn_until(made, lambda: made.outbox.lag_s(made.outbox.runners[0]) > 0.9)
    statuses = []
    robot.node.create_subscription(
        MetricsStatus, '/metrics_recorder/status', statuses.append, 10
    )
    report = MetricsReport(made.node, made)
    robot.ros.spin(robot.node, lambda: report.publish() or statuses)
    assert statuses[-1].sinks[0].waiting == 1
    assert 0.9 < statuses[-1].sinks[0].lag_s < 60
