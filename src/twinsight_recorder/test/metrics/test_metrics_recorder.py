import math
import struct

from geometry_msgs.msg import Quaternion
from nav_msgs.msg import Odometry
import numpy as np
from pytest_ros import wait_until
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool, Float64, Int64, String

from twinsight_interfaces.msg import Alert, MetricSinkStatus, RecorderStatus


def odometry(number):
    message = Odometry()
    message.header.stamp.sec = 1_700_000_000 + number
    message.header.frame_id = 'odom' + 'x' * (number % 5)  # another alignment each time
    message.pose.pose.position.x = number * 0.1
    message.pose.pose.position.y = -1.0 / (number + 1)
    yaw = number * 0.01
    message.pose.pose.orientation = Quaternion(z=math.sin(yaw / 2), w=math.cos(yaw / 2))
    message.twist.twist.linear.x = 0.5 + number
    return message


def serialized(text):
    data = text.encode() + b'\0'  # ROS's own Python would end the text at a NUL
    return b'\x00\x01\x00\x00' + struct.pack('<I', len(data)) + data


def test_every_sample_is_in_the_database_and_the_latest_in_redis(metrics):
    odom = metrics.publisher('/odom', Odometry)
    state = metrics.publisher('/state', String)
    recorder = metrics.start()
    metrics.wait_for_subscriber(odom, state)
    for number in range(500):
        odom.publish(odometry(number))
        if number % 100 == 0:
            state.publish(String(data=f'STATE {number}'))
    wait_until(lambda: metrics.status.messages == 505)
    status = metrics.last_status(recorder)
    x = [number * 0.1 for number in range(500)]
    assert metrics.history('odom.x') == metrics.stream('odom.x') == x
    assert metrics.history('odom.y') == [-1.0 / (number + 1) for number in range(500)]
    assert metrics.history('odom.vx') == [0.5 + number for number in range(500)]
    np.testing.assert_allclose(
        metrics.history('odom.yaw'),
        [math.remainder(number * 0.01, 2 * math.pi) for number in range(500)], atol=1e-12,
    )
    assert metrics.history('state') == [f'STATE {number}' for number in range(0, 500, 100)]
    latest = metrics.latest()
    assert latest['odom.x']['value'] == x[-1]
    assert latest['state']['text'] == 'STATE 400'
    assert {each['mission_id'] for each in latest.values()} == {'A'}
    for sink in status.sinks:
        assert sink.state == MetricSinkStatus.OK
        assert sink.written == status.samples
        assert (sink.dropped, sink.refused, sink.waiting) == (0, 0, 0)
    assert status.samples == metrics.rows('SELECT count(*) FROM metric')[0][0]
    units = metrics.rows("SELECT unit, topic FROM metric_info WHERE name = 'odom.x'")
    assert units == [('m', '/odom')]


def test_two_robots_with_the_same_metrics_never_mix(metrics):
    robots = ('robot_05', 'robot_06')
    publishers = [metrics.publisher(f'/{robot}/odom', Odometry) for robot in robots]
    recorders = [
        metrics.start('-r', f'__ns:=/{robot}', robot_id=robot, mission_id=f'of_{robot}')
        for robot in robots
    ]
    metrics.wait_for_subscriber(*publishers)
    for number in range(200):
        for sign, publisher in zip((1, -1), publishers, strict=True):
            publisher.publish(odometry(sign * (number + 2)))
    for sign, robot in zip((1, -1), robots, strict=True):
        wanted = [sign * (number + 2) * 0.1 for number in range(200)]
        wait_until(lambda robot=robot: len(metrics.history('odom.x', robot)) == 200)
        wait_until(lambda robot=robot: len(metrics.stream('odom.x', robot)) == 200)
        assert metrics.history('odom.x', robot) == metrics.stream('odom.x', robot) == wanted
        assert metrics.latest(robot)['odom.x']['value'] == wanted[-1]
    assert metrics.rows('SELECT DISTINCT robot_id, mission_id FROM metric ORDER BY 1') == [
        ('robot_05', 'of_robot_05'), ('robot_06', 'of_robot_06')
    ]
    for recorder in recorders:
        metrics.end(recorder)


def test_values_that_no_table_takes_have_their_defined_form_and_hold_up_nothing(metrics):
    number = metrics.publisher('/number', Float64)
    text = metrics.publisher('/text', String)
    whole = metrics.publisher('/whole', Int64)
    yes = metrics.publisher('/yes', Bool)
    recorder = metrics.start()
    metrics.wait_for_subscriber(number, text, whole, yes)
    for value in (1.5, math.nan, math.inf, -math.inf, 2.5):
        number.publish(Float64(data=value))
    for value in ('before', 'x' * 5_000_000, 'nul \0 in it', 'Größe ☃', 'after'):
        text.publish(serialized(value))
    whole.publish(Int64(data=(1 << 53) + 1))
    yes.publish(Bool(data=True))
    wait_until(lambda: metrics.status.messages == 12)
    status = metrics.last_status(recorder)
    assert metrics.history('number') == [1.5, 'NaN', 'Infinity', '-Infinity', 2.5]
    assert metrics.stream('number') == [1.5, 'NaN', 'Infinity', '-Infinity', 2.5]
    cut = 'x' * 4096 + '… (5000000 characters)'
    texts = ['before', cut, 'nul \ufffd in it', 'Größe ☃', 'after']
    assert metrics.history('text') == metrics.stream('text') == texts
    stored = metrics.rows("SELECT value, text FROM metric WHERE name = 'whole'")
    assert stored == [(9007199254740992.0, '9007199254740993')]
    assert metrics.history('yes') == [1.0]
    assert status.altered == 5
    assert all(sink.refused == 0 for sink in status.sinks)


def test_a_field_that_the_type_does_not_have_gets_one_line_and_the_rest_is_recorded(metrics):
    odom = metrics.publisher('/odom', Odometry)
    state = metrics.publisher('/state', String)
    rules = {
        'speed': {'topics': ['/odom'], 'metrics': {'v': {'field': 'twist.twist.lineal.x'}}},
        'state': {'topics': ['/state'], 'name': 'mode', 'metrics': {'value': {'field': 'data'}}},
    }
    recorder = metrics.start(settings={'rules': rules})
    metrics.wait_for_subscriber(state)
    wait_until(lambda: 'lineal' in recorder.text())
    odom.publish(odometry(1))
    state.publish(String(data='IDLE'))
    wait_until(lambda: metrics.status.messages)
    metrics.end(recorder)
    lines = [line for line in recorder.text().splitlines() if 'lineal' in line]
    assert len(lines) == 1
    assert 'rule speed' in lines[0]
    assert 'nav_msgs/msg/Odometry' in lines[0]
    assert 'linear, angular' in lines[0]
    assert metrics.history('mode') == ['IDLE']


def test_what_is_replayed_is_not_recorded_again(metrics):
    live = metrics.publisher('/odom', Odometry)
    replayed = metrics.publisher('/replay/odom', Odometry)
    recorder = metrics.start()
    metrics.wait_for_subscriber(live)
    for number in range(10):
        live.publish(odometry(number))
        replayed.publish(odometry(number))
    wait_until(lambda: len(metrics.history('odom.x')) == 10)
    metrics.end(recorder)
    assert replayed.get_subscription_count() == 0
    assert metrics.history('replay/odom.x') == []


def test_wrong_parameters_end_with_one_line_and_exit_code_2(metrics):
    rules = {'speed': {'topics': ['/odom'], 'metrics': {'v': {'feild': 'x'}}}}
    recorder = metrics.start(settings={'rules': rules})
    assert recorder.end(20) == 2
    errors = [line for line in recorder.text().splitlines() if 'feild' in line]
    assert len(errors) == 1
    assert 'metrics.yaml: rules.speed.metrics.v.feild: unknown key' in errors[0]
    assert 'did you mean field?' in errors[0]


def test_without_an_address_it_says_which_variable_to_set(metrics):
    metrics.environment['TWINSIGHT_REDIS_URL'] = ''
    recorder = metrics.start()
    assert recorder.end(20) == 2
    assert 'TWINSIGHT_REDIS_URL is not set' in recorder.text()
    assert 'Traceback' not in recorder.text()


def test_a_topic_that_comes_back_with_another_type_is_read_on(metrics):
    publisher = metrics.publisher('/x', String)
    recorder = metrics.start()
    metrics.wait_for_subscriber(publisher)
    publisher.publish(String(data='one'))
    wait_until(lambda: metrics.history('x') == ['one'])
    metrics.node.destroy_publisher(publisher)
    wait_until(lambda: not metrics.node.count_publishers('/x'))
    publisher = metrics.publisher('/x', Float64)
    metrics.wait_for_subscriber(publisher)
    publisher.publish(Float64(data=2.5))
    wait_until(lambda: metrics.history('x') == ['one', 2.5])
    metrics.end(recorder)
    said = 'topic /x: its type is std_msgs/msg/Float64 now, no longer std_msgs/msg/String'
    assert recorder.text().count(said) == 1


def test_a_damaged_status_of_a_recorder_is_counted_and_told_once(metrics):
    other = metrics.publisher('/old_recorder/status', RecorderStatus)
    state = metrics.publisher('/state', String)
    recorder = metrics.start()
    metrics.wait_for_subscriber(other, state)
    for _ in range(3):
        other.publish(b'\0\1\0\0abc')
    state.publish(String(data='fine'))
    wait_until(lambda: metrics.status.messages == 4)
    assert metrics.last_status(recorder).unreadable == 3
    assert recorder.text().count('topic /old_recorder/status: a message cannot be read') == 1
    assert metrics.history('state') == ['fine']


def test_a_parameter_that_would_change_nothing_is_refused(metrics):
    recorder = metrics.start()
    answer = metrics.ask(
        '/metrics_recorder/set_parameters', SetParameters, parameters=[
            Parameter('robot_id', value='robot_99').to_parameter_msg(),
            Parameter('nonsense', value=1).to_parameter_msg(),
            Parameter('use_sim_time', value=False).to_parameter_msg(),
        ],
    )
    assert [(each.successful, each.reason) for each in answer.results] == [
        (False, 'robot_id: read at the start only: restart the node to change it'),
        (False, 'nonsense: read at the start only: restart the node to change it'),
        (True, ''),
    ]
    metrics.end(recorder)


def test_who_comes_late_hears_the_alerts_that_were_raised(metrics):
    level = metrics.publisher('/level', Float64)
    recorder = metrics.start(settings={'alerts': {'low': {'metric': 'level', 'below': 0.2}}})
    metrics.wait_for_subscriber(level)
    level.publish(Float64(data=0.1))
    wait_until(lambda: metrics.rows('SELECT kind FROM event') == [('alert_raised',)])
    late = []
    metrics.node.create_subscription(
        Alert, '/metrics_recorder/alerts', late.append,
        QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL),
    )
    wait_until(lambda: [(alert.rule, alert.active) for alert in late] == [('low', True)])
    metrics.end(recorder)
