"""Missions of a robot: recorder and metrics recorder together, and what the table says of them."""

import json
import os
import subprocess
import time

from diagnostic_msgs.msg import KeyValue
from nav_msgs.msg import Odometry
import pytest
from pytest_ros import wait_until
from rclpy.serialization import serialize_message
from twinsight_demo.child import executable

from twinsight_interfaces.msg import RecorderStatus
from twinsight_interfaces.srv import EndMission, SetMission, StartMission
from twinsight_store.connection import URL_VARIABLE
from twinsight_store.read import read
from twinsight_store.selection import Selection


@pytest.fixture
def robot(metrics, store_settings):
    """A robot with both recorders, and odometry to publish."""
    metrics.store = store_settings
    metrics.recorder_statuses = []
    metrics.node.create_subscription(
        RecorderStatus, '/recorder/status', metrics.recorder_statuses.append, 100
    )
    metrics.odom = metrics.publisher('/odom', Odometry)
    metrics.ros.tell('recorder', lambda: metrics.recorder_statuses[-1:])
    metrics.ros.tell('missions', lambda: listed(metrics))
    return metrics


def start_recorder(robot, mission_id=''):
    words = ['-p', 'robot_id:=robot_05', '-p', f'store.bucket:={robot.store.bucket}']
    if mission_id:
        words += ['-p', f'mission_id:={mission_id}']
    return robot.ros.start(
        'twinsight_recorder', 'recorder', '--ros-args', *words, '-p', 'diagnostics:=false',
        '-p', 'topics.include:=[/odom]',
        **{URL_VARIABLE: robot.store.url},
    )


def publish(robot, numbers):
    for number in numbers:
        message = Odometry()
        message.pose.pose.position.x = 0.1 * number
        robot.odom.publish(message)
        time.sleep(0.005)


def received(robot):
    """Return how many messages of the odometry the recorder has."""
    topics = robot.recorder_statuses[-1].topics if robot.recorder_statuses else []
    return sum(topic.received for topic in topics if topic.topic == '/odom')


def counted(robot):
    """Return how many messages the table of missions counts."""
    return sum(messages for messages, in robot.rows('SELECT messages FROM mission_recording'))


def publish_to_both(robot, numbers):
    """Publish, and return when both recorders and the table have all: they are of that mission."""
    stored, before, known = len(robot.history('odom.x')), received(robot), counted(robot)
    publish(robot, numbers)
    wait_until(lambda: len(robot.history('odom.x')) == stored + len(numbers))
    wait_until(lambda: received(robot) == before + len(numbers))
    wait_until(lambda: counted(robot) == known + len(numbers))


def recorded_x(robot, mission_id):
    selection = Selection(missions=(mission_id,), topics=('/odom',))
    return len(list(read(selection, robot.store)))


def listed(robot, *arguments):
    command = executable('twinsight_recorder', 'missions', '--json', *arguments)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60,
        env={**os.environ, **robot.environment},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_mission_begins_and_ends_for_recorder_metrics_and_table_at_once(robot):
    recorder = start_recorder(robot)
    metrics_recorder = robot.start(mission_id='', mission_wait=60.0)
    wait_until(lambda: robot.odom.get_subscription_count() == 2)
    wait_until(lambda: robot.statuses and robot.recorder_statuses)
    # nobody named it: they agree on one
    wait_until(lambda: robot.statuses[-1].mission_id == robot.recorder_statuses[-1].mission_id)
    first = robot.statuses[-1].mission_id
    publish_to_both(robot, range(50))
    answer = robot.ask(
        '/start_mission', StartMission, mission_id='run_1',
        labels=[KeyValue(key='site', value='hall 2')],
    )
    began_ns = robot.ros.asked_ns, time.time_ns()
    assert (answer.success, answer.mission_id) == (True, 'run_1')
    wait_until(lambda: robot.recorder_statuses[-1].mission_id == 'run_1')
    publish_to_both(robot, range(50, 151))
    wrong = robot.ask('/end_mission', EndMission, mission_id='run_7')
    assert not wrong.success
    assert wrong.message == 'mission run_7 is not the one of now: that is run_1'
    ended = robot.ask('/end_mission', EndMission)
    ended_ns = robot.ros.asked_ns, time.time_ns()
    assert (ended.success, ended.mission_id) == (True, 'run_1')
    wait_until(lambda: robot.recorder_statuses[-1].mission_id not in ('run_1', first))
    publish_to_both(robot, range(151, 181))
    robot.ask('/recorder/set_mission', SetMission, mission_id='run_2')
    wait_until(lambda: robot.status.mission_id == 'run_2')
    publish_to_both(robot, range(181, 200))
    wait_until(lambda: any(topic.mission_messages for topic in robot.recorder_statuses[-1].topics))
    robot.end(metrics_recorder)
    assert recorder.end(30, ask=2) == 0, recorder.text()

    third = ended.message.rpartition(' ')[2]
    counts = robot.rows(
        "SELECT mission_id, count(*) FROM metric WHERE name = 'odom.x' "
        'GROUP BY 1 ORDER BY min(time)'
    )
    assert counts == [(first, 50), ('run_1', 101), (third, 30), ('run_2', 19)]
    assert [recorded_x(robot, mission) for mission, _ in counts] == [50, 101, 30, 19]

    of_run_1 = listed(robot, '--mission', 'run_1')[0]
    assert of_run_1['ended_by'] == 'request'
    assert of_run_1['labels'] == {'site': 'hall 2'}
    assert began_ns[0] // 1000 * 1000 <= of_run_1['started_ns'] <= began_ns[1]
    assert ended_ns[0] // 1000 * 1000 <= of_run_1['ended_ns'] <= ended_ns[1]
    assert of_run_1['distance_m'] == pytest.approx(10.0)
    assert of_run_1['topics'] == 1
    assert of_run_1['messages'] == 101
    assert of_run_1['bytes'] == 101 * len(serialize_message(Odometry()))
    every = listed(robot)
    assert [mission['mission_id'] for mission in every] == [first, 'run_1', third, 'run_2']
    assert [mission['ended_by'] for mission in every] == ['next', 'request', 'next', None]


def last_seen_ns(robot):
    """Return when the robot was last heard of (Unix ns), as the table has it."""
    return robot.rows(
        'SELECT (extract(epoch FROM max(last_seen)) * 1000000)::bigint * 1000 FROM mission'
    )[0][0]


def test_a_robot_that_vanishes_leaves_a_mission_that_is_closed_at_its_last_sign_of_life(robot):
    recorder = robot.start(mission_id='lost_run')
    robot.wait_for_subscriber(robot.odom)
    publish(robot, range(100))
    wait_until(lambda: len(robot.history('odom.x')) == 100)
    assert listed(robot)[0]['ended_by'] is None
    [(last_sample_ns,)] = robot.rows(
        'SELECT (extract(epoch FROM max(time)) * 1000000)::bigint * 1000 FROM metric'
    )
    wait_until(lambda: last_seen_ns(robot) > last_sample_ns)
    seen_ns = last_seen_ns(robot)
    recorder.kill()
    killed_ns = time.time_ns()
    time.sleep(2.5)
    mission = listed(robot, '--lost-after', '2s')[0]
    last_ns = last_seen_ns(robot)
    assert mission['ended_by'] == 'lost'
    assert mission['ended_ns'] == last_ns
    assert listed(robot)[0]['ended_by'] is None  # for the usual 5 min
    assert seen_ns <= last_ns <= killed_ns
    assert robot.rows('SELECT ended_by FROM mission') == [(None,)]  # who lists changes nothing


def test_a_vanished_robot_that_comes_back_with_another_mission_does_not_stretch_the_lost_one(
    robot,
):
    recorder = robot.start(mission_id='lost_run')
    robot.wait_for_subscriber(robot.odom)
    publish(robot, range(20))
    wait_until(lambda: len(robot.history('odom.x')) == 20)
    robot.end(recorder)  # killed, it may leave a sign of life that the next one writes
    with robot.connection() as connection:  # a night later
        connection.execute("UPDATE mission SET started = started - interval '10 hours', "
                           "last_seen = last_seen - interval '9 hours'")
    recorder = robot.start(mission_id='new_run')
    wait_until(lambda: len(listed(robot)) == 2)
    robot.end(recorder)
    lost = listed(robot)[0]
    assert (lost['mission_id'], lost['ended_by']) == ('lost_run', 'lost')
    assert lost['duration_s'] == pytest.approx(3600, abs=60)


def test_who_may_only_read_lists_missions(robot):
    recorder = robot.start(mission_id='run_1')
    wait_until(lambda: robot.rows('SELECT FROM mission'))
    robot.end(recorder)
    with robot.connection() as connection:
        name = connection.info.dbname
        connection.execute(
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'
        )
    [mission] = listed(robot, '--lost-after', '1ms')
    assert (mission['mission_id'], mission['ended_by']) == ('run_1', 'lost')


def test_a_mission_that_goes_on_after_another_is_open_and_has_all_of_its_bytes(robot):
    recorder = start_recorder(robot, 'A')
    metrics_recorder = robot.start(mission_id='A')
    wait_until(lambda: robot.odom.get_subscription_count() == 2)
    wait_until(lambda: robot.recorder_statuses)
    for mission, count in (('A', 21), ('B', 11), ('A', 31)):
        robot.ask('/start_mission', StartMission, mission_id=mission)
        wait_until(lambda mission=mission: robot.recorder_statuses[-1].mission_id == mission)
        publish_to_both(robot, range(count))
    robot.end(metrics_recorder)
    wait_until(lambda: robot.odom.get_subscription_count() == 1)
    metrics_recorder = robot.start(mission_id='A')  # its odometer begins at 0
    wait_until(lambda: robot.odom.get_subscription_count() == 2)
    publish_to_both(robot, range(11))
    wait_until(lambda: {each['messages'] for each in listed(robot)} == {11, 63})
    robot.end(metrics_recorder)
    assert recorder.end(30, ask=2) == 0, recorder.text()
    first, second = listed(robot)
    assert (first['mission_id'], first['ended_by']) == ('A', None)
    assert first['distance_m'] == pytest.approx(2.0 + 3.0 + 1.0)
    assert (second['mission_id'], second['ended_by']) == ('B', 'next')
    assert second['distance_m'] == pytest.approx(1.0)
