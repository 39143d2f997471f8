"""The api program with the configuration file that comes with it, asked to act."""

import os
from pathlib import Path
import re
import subprocess
import sys

from geometry_msgs.msg import Twist
import httpx
import pytest
from pytest_ros import wait_until

NO_REDIS = {'TWINSIGHT_REDIS_URL': 'redis://127.0.0.1:1'}
CONFIG = str(Path(__file__).resolve().parents[4] / 'config' / 'api.yaml')


@pytest.fixture
def start_api(ros):
    """Return a function that starts the program in the test's ROS domain, and gives a client."""
    started = []

    def start(*arguments, **environment):
        program = subprocess.Popen(
            [sys.executable, '-m', 'twinsight_bridge.api', '--port', '0', *arguments],
            env={**os.environ, **NO_REDIS, 'ROS_DOMAIN_ID': str(ros.id), **environment}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        started.append(program)
        line = program.stdout.readline()
        url = re.search(r'http://127\.0\.0\.1:\d+', line)
        assert url, line + program.stderr.read()
        return httpx.Client(base_url=url[0], timeout=30)

    yield start
    for each in started:
        each.kill()
        each.communicate()


@pytest.mark.parametrize('arguments', [
    ('--config', CONFIG), ('--ros-args', '--params-file', CONFIG, '-r', '__node:=api'),
])
def test_the_configuration_that_comes_with_it_stops_a_robot(ros, start_api, arguments):
    node, received = ros.node('base'), []
    node.create_subscription(Twist, '/cmd_vel', received.append, 10)
    ros.serve(node)
    client = start_api(*arguments)
    wait_until(lambda: 'api' in node.get_node_names())
    names = {each['name'] for each in client.get('/robots/robot_01/commands').json()['commands']}
    assert {'start_mission', 'end_mission', 'go_to_pose', 'stop'} <= names
    answer = client.post('/robots/robot_01/commands/stop', json={})
    assert answer.status_code in (200, 202), answer.text
    wait_until(lambda: received)
    assert received[0] == Twist()


def test_without_a_configuration_it_only_reads(start_api):
    client = start_api()
    answer = client.post('/robots/robot_01/commands/stop', json={})
    assert answer.status_code in (404, 501), answer.text
    assert client.get('/docs').status_code == 200


def test_with_a_token_only_who_has_it_may_act(start_api):
    client = start_api('--config', CONFIG, TWINSIGHT_API_TOKEN='secret')
    assert client.post('/robots/robot_01/commands/stop', json={}).status_code == 401
    answer = client.post(
        '/robots/robot_01/commands/stop', json={}, headers={'Authorization': 'Bearer secret'}
    )
    assert answer.status_code != 401
    assert client.get('/robots/robot_01/commands').status_code == 200


def test_a_wrong_configuration_is_one_line(tmp_path):
    file = tmp_path / 'api.yaml'
    command = '{topik: /x, topic: /x, type: std_msgs/msg/Empty}'
    file.write_text(f'/**: {{ros__parameters: {{commands: {{stop: {command}}}}}}}')
    done = subprocess.run(
        [sys.executable, '-m', 'twinsight_bridge.api', '--port', '0', '--config', str(file)],
        capture_output=True, text=True, timeout=60, env={**os.environ, **NO_REDIS},
    )
    assert done.returncode == 2
    assert done.stderr.count('\n') == 1
    assert done.stderr.startswith(f'api: {file}: commands.stop.topik: unknown key')
