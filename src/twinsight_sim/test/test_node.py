"""The node as a process of its own, over real DDS."""

from collections import defaultdict
import json
import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest
from pytest_ros import wait_until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from twinsight_sim.ledger import digest
from twinsight_sim.topics import Delivery, TOPICS

END_S = 60


@pytest.fixture
def domain(domain_id, monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain_id))
    return domain_id


def start(*parameters: str, **more) -> subprocess.Popen:
    words = [word for parameter in parameters for word in ('-p', parameter)]
    return subprocess.Popen(
        [sys.executable, '-m', 'twinsight_sim.sim_robot', '--ros-args', *words,
         *more.get('ros', ())],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy())


class Listener:
    """Keeps digests of the raw bytes on every topic of the robot."""

    def __init__(self, ros, namespace: str = '') -> None:
        self.digests: dict[str, list[str]] = defaultdict(list)
        node = ros.node('listener', namespace)
        for topic in TOPICS.values():
            best_effort = topic.delivery is Delivery.SENSOR
            latched = topic.delivery is Delivery.LATCHED
            qos = QoSProfile(
                depth=1000,
                reliability=ReliabilityPolicy.BEST_EFFORT if best_effort
                else ReliabilityPolicy.RELIABLE,
                durability=DurabilityPolicy.TRANSIENT_LOCAL if latched
                else DurabilityPolicy.VOLATILE)
            name = node.resolve_topic_name(topic.name)
            node.create_subscription(
                topic.type, name,
                lambda data, name=name: self.digests[name].append(digest(data)), qos, raw=True)
        ros.serve(node)


def read_ledger(path: Path) -> tuple[dict[str, list[str]], dict]:
    *lines, last = [json.loads(line) for line in path.read_text().splitlines()]
    entered = defaultdict(list)
    for line in lines:
        entered[line['topic']].append(line['digest'])
    assert {topic: total['count'] for topic, total in last['totals'].items()} == {
        topic: len(digests) for topic, digests in entered.items()}
    assert all(total['bytes'] == sum(line['size'] for line in lines if line['topic'] == topic)
               for topic, total in last['totals'].items())
    return entered, last


@pytest.mark.usefixtures('domain')
def test_the_ledger_is_what_a_subscriber_gets(ros, tmp_path):
    ledger = tmp_path / 'sub' / 'ledger.jsonl'
    listener = Listener(ros, '/robot_07')
    # so few and small that DDS keeps them all for a listener that is held up
    rates = [f'rates.{name}:={rate}' for name, rate in (
        ('odom', 25.0), ('tf', 25.0), ('imu', 100.0), ('camera', 5.0))]
    process = start(f'ledger:={ledger}', 'duration:=3', 'wait_for_subscribers:=30.0',
                    'image_size:=[64, 64]', *rates, ros=('-r', '__ns:=/robot_07'))
    out, err = process.communicate(timeout=END_S)
    assert process.returncode == 0, err
    entered, last = read_ledger(ledger)
    reliable = {(topic.name if topic.name[0] == '/' else f'/robot_07/{topic.name}')
                for topic in TOPICS.values() if topic.delivery is not Delivery.SENSOR}
    wait_until(lambda: all(
        len(listener.digests[name]) >= len(entered[name]) for name in reliable), END_S)
    assert {name: listener.digests[name] for name in reliable} == {
        name: entered[name] for name in reliable}
    for name in entered.keys() - reliable:
        assert set(listener.digests[name]) <= set(entered[name])
        assert listener.digests[name]
    assert len(entered) == len(TOPICS)
    assert last['totals']['/robot_07/imu/data']['count'] == 300
    assert out.splitlines()[-1].startswith(
        f'sim_robot: {last["messages"]} messages published on 13 topics')


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures('domain')
def test_a_signal_ends_it_cleanly(ros, tmp_path, number):
    ledger = tmp_path / 'ledger.jsonl'
    listener = Listener(ros)
    process = start(f'ledger:={ledger}')
    wait_until(lambda: listener.digests['/odom'], END_S)
    process.send_signal(number)
    out, err = process.communicate(timeout=END_S)
    assert process.returncode == 0, err
    assert 'messages published on 13 topics' in out.splitlines()[-1]
    assert 'Traceback' not in err
    _, last = read_ledger(ledger)
    assert last['messages'] > 0


@pytest.mark.parametrize(('parameter', 'words'), [
    ('faults:=fire@3', ["'fire@3'", 'obstacle_stop@START+SECONDS', 'battery_drop@START',
                        'sensor_gap:SENSOR@START+SECONDS']),
    ('seed:=-1', ['seed', '-1', 'from 0 up']),
    ('image_size:=[300, 240]', ['image_size', '300', 'multiples of 16']),
    ('rates.imu:=-5.0', ['rates.imu', '-5.0', 'from 0 to 1000']),
    ('rates.nose:=5.0', ['rates.nose', 'camera', 'diagnostics']),
    ('sead:=5', ['sead', 'seed']),
    ('ledger:=/dev/null/ledger', ['ledger', '/dev/null/ledger', 'can be written']),
])
def test_a_wrong_parameter_is_one_line_and_exit_code_2(domain, parameter, words):
    process = start(parameter)
    out, err = process.communicate(timeout=END_S)
    assert process.returncode == 2
    line, = err.splitlines()
    assert line.startswith('sim_robot: ')
    for word in words:
        assert word in line
    assert out == ''


def test_help_shows_an_example():
    done = subprocess.run([sys.executable, '-m', 'twinsight_sim.sim_robot', '--help'],
                          capture_output=True, text=True, timeout=END_S, check=True)
    assert 'ros2 run twinsight_sim sim_robot --ros-args' in done.stdout
    assert 'obstacle_stop@START+SECONDS' in done.stdout
