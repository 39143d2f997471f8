"""What a viewer asks for, over real DDS: publishing, services, parameters, graph, assets, time."""

import itertools
import json
import struct

from ament_index_python.packages import get_package_share_directory
from geometry_msgs.msg import PoseStamped
from pytest_foxglove import FoxgloveViewer
from pytest_ros import wait_until
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from std_srvs.srv import SetBool

BUSY_S = 20.0  # a node that answers is given so long, on a busy machine too


def parameters_of(viewer, request_id):
    told = [each for each in viewer.told_of('parameterValues') if each.get('id') == request_id]
    return {each['name']: each.get('value') for each in told[0]['parameters']} if told else None


def ask_parameters(viewer, request_id, *names):
    viewer.send(op='getParameters', parameterNames=list(names), id=request_id)
    wait_until(lambda: parameters_of(viewer, request_id) is not None)
    return parameters_of(viewer, request_id)


def edges(viewer, topic, service=''):
    """Return who publishes and subscribes to a topic and provides a service, as it was told."""
    updates = viewer.told_of('connectionGraphUpdate')
    published = {t['name']: t['publisherIds'] for u in updates for t in u['publishedTopics']}
    seen = {t['name']: t['subscriberIds'] for u in updates for t in u['subscribedTopics']}
    served = {s['name']: s['providerIds'] for u in updates for s in u['advertisedServices']}
    return published.get(topic), seen.get(topic), served.get(service)


def warnings(viewer):
    return [each['message'] for each in viewer.told_of('status')]


def test_what_a_viewer_publishes_reaches_ros(ros, start_bridge):
    node, received = ros.node('robot'), []
    node.create_subscription(PoseStamped, '/goal_pose', received.append, 10)
    ros.serve(node)
    viewer = start_bridge().viewer()
    viewer.send(op='subscribeConnectionGraph')
    wait_until(lambda: edges(viewer, '/goal_pose')[1] == ['/robot'])  # or it would publish to none
    goal = PoseStamped()
    goal.header.frame_id = 'map'
    goal.pose.position.x = 1.5
    viewer.advertise(1, '/goal_pose', 'geometry_msgs/PoseStamped')
    viewer.advertise(2, '/goal_pose', 'geometry_msgs/msg/PoseStamped', encoding='json')
    wait_until(lambda: len(node.get_publishers_info_by_topic('/goal_pose')) == 2)
    wait_until(lambda: node.count_publishers('/goal_pose') == 2)

    viewer.publish(1, serialize_message(goal))
    wait_until(lambda: received == [goal])
    content = {'header': {'frame_id': 'map'}, 'pose': {'position': {'x': 1.5}}}
    viewer.publish(2, json.dumps(content).encode())
    wait_until(lambda: received == [goal, goal])

    viewer.publish(1, b'\x00\x01\x00\x00\xff\xff\xff\xff')
    wait_until(lambda: any('no cdr of its type' in each for each in warnings(viewer)))
    viewer.publish(2, b'{"pose": {"position": {"w": 1}}}')
    wait_until(lambda: any('Point has no field w' in each for each in warnings(viewer)))
    viewer.publish(1, serialize_message(goal))
    wait_until(lambda: len(received) == 3)
    viewer.close()
    wait_until(lambda: node.count_publishers('/goal_pose') == 0)


def test_only_allowed_topics_are_published(ros, start_bridge):
    node = ros.node('robot')
    viewer = start_bridge(client_topic_whitelist="['/goal_pose']").viewer()
    viewer.advertise(1, '/cmd_vel', 'geometry_msgs/msg/Twist')
    viewer.advertise(2, '/goal_pose', 'unknown_msgs/msg/Goal')
    wait_until(lambda: len(warnings(viewer)) == 2)
    assert 'not published on /cmd_vel: client_topic_whitelist leaves it out' in warnings(viewer)
    assert any('install package unknown_msgs' in each for each in warnings(viewer))
    assert node.count_publishers('/cmd_vel') == 0


def test_services_are_called(ros, bridge):
    node = ros.node('robot')

    def answer(request, response):
        response.success, response.message = request.data, 'lights are on'
        return response

    service = node.create_service(SetBool, '/lights', answer)
    ros.serve(node)
    viewer = bridge.viewer()
    response = viewer.call('/lights', serialize_message(SetBool.Request(data=True)))
    assert deserialize_message(response, SetBool.Response).message == 'lights are on'
    described = viewer.services['/lights']
    assert described['type'] == 'std_srvs/srv/SetBool'
    assert 'bool data' in described['request']['schema']
    assert 'string message' in described['response']['schema']
    assert 'bool data' not in described['response']['schema']

    viewer.socket.send(struct.pack('<BIII', 2, described['id'], 9, 3) + b'cdr' + b'\x00\x01')
    wait_until(lambda: viewer.told_of('serviceCallFailure'))
    failure, = viewer.told_of('serviceCallFailure')
    assert 'not a CDR request of std_srvs/srv/SetBool' in failure['message']
    node.destroy_service(service)
    wait_until(lambda: '/lights' not in viewer.services)


def test_a_service_that_does_not_answer_is_said_so(ros, start_bridge):
    node = ros.node('robot')
    node.create_service(SetBool, '/asleep', lambda request, response: response)  # nobody spins
    viewer = start_bridge(service_timeout=0.5).viewer()
    wait_until(lambda: '/asleep' in viewer.services)
    head = struct.pack('<BIII', 2, viewer.services['/asleep']['id'], 1, 3)
    viewer.socket.send(head + b'cdr' + serialize_message(SetBool.Request()))
    wait_until(lambda: viewer.told_of('serviceCallFailure'))
    failure, = viewer.told_of('serviceCallFailure')
    assert '/asleep did not answer within 0.5 s' in failure['message']


def test_parameters_of_every_node(ros, start_bridge):
    node = ros.node('planner', '/robot_05')
    node.declare_parameter('speed', 0.5)
    node.declare_parameter('frames', ['map', 'odom'])
    node.declare_parameter('mode', 'slow')
    node.declare_parameter('raw', [b'\x01', b'\x02'])
    node.add_on_set_parameters_callback(
        lambda given: SetParametersResult(
            successful=all(each.value != 'wrong' for each in given), reason='no such mode'
        )
    )
    ros.serve(node)
    bridge = start_bridge(parameter_timeout=BUSY_S)
    viewer = bridge.viewer()
    wait_until(lambda: '/robot_05/planner/list_parameters' in viewer.services)
    found = ask_parameters(viewer, 'all')
    assert found['/robot_05/planner.speed'] == 0.5
    assert found['/robot_05/planner.frames'] == ['map', 'odom']
    assert found['/robot_05/planner.raw'] == 'AQI='
    assert '/bridge.port' in found

    wanted = [{'name': '/robot_05/planner.speed', 'value': 2},  # a float, though written as 2
              {'name': '/robot_05/planner.mode', 'value': 'wrong'},
              {'name': '/robot_05/planner.frames', 'value': []},
              {'name': '/nobody.speed', 'value': 1}]
    viewer.send(op='setParameters', parameters=wanted, id='set')
    wait_until(lambda: parameters_of(viewer, 'set') is not None)
    wait_until(lambda: warnings(viewer))
    assert node.get_parameter('speed').value == 2.0
    assert node.get_parameter('frames').value == []
    assert parameters_of(viewer, 'set')['/robot_05/planner.speed'] == 2.0
    assert parameters_of(viewer, 'set')['/robot_05/planner.mode'] == 'slow'
    assert '/robot_05/planner.mode: refused (no such mode)' in warnings(viewer)[0]
    assert '/nobody.speed: no such parameter' in warnings(viewer)[0]

    viewer.send(op='subscribeParameterUpdates', parameterNames=['/robot_05/planner.speed'])
    wait_until(lambda: node.set_parameters([Parameter('speed', value=3.5)]) and any(
        [(p['name'], p['value']) for p in each['parameters']] == [('/robot_05/planner.speed', 3.5)]
        for each in viewer.told_of('parameterValues')
    ))

    other, speeds = bridge.viewer(), itertools.count(4)
    other.send(op='subscribeParameterUpdates', parameterNames=[])  # all of them
    wait_until(lambda: node.set_parameters([Parameter('speed', value=float(next(speeds)))])
               and other.told_of('parameterValues'))
    for each in (viewer, other):
        each.send(op='unsubscribeParameterUpdates', parameterNames=[])
    wait_until(lambda: node.count_subscribers('/parameter_events') == 0)


def test_a_node_that_does_not_answer_delays_nobody_else(ros, start_bridge):
    node = ros.node('asleep')  # nobody spins it
    publisher = node.create_publisher(String, '/chatter', 10)
    viewer = start_bridge(parameter_timeout=3.0).viewer()
    wait_until(lambda: '/asleep/list_parameters' in viewer.services)
    viewer.send(op='getParameters', parameterNames=[], id='all')
    viewer.subscribe('/chatter')
    wait_until(publisher.get_subscription_count)
    publisher.publish(String(data='hello'))
    wait_until(lambda: viewer.of('/chatter'))
    wait_until(lambda: parameters_of(viewer, 'all') is not None)
    assert '/bridge.port' in parameters_of(viewer, 'all')
    assert not any(name.startswith('/asleep') for name in parameters_of(viewer, 'all'))


def test_only_allowed_parameters_and_services(ros, start_bridge):
    node = ros.node('planner')
    node.declare_parameter('speed', 0.5)
    node.declare_parameter('secret', 'x')
    ros.serve(node)
    viewer = start_bridge(
        param_whitelist="['/planner.speed']", service_whitelist="['/planner/list_.*']",
        parameter_timeout=BUSY_S,
    ).viewer()
    wait_until(lambda: '/planner/list_parameters' in viewer.services)
    assert ask_parameters(viewer, 'all') == {'/planner.speed': 0.5}
    assert ask_parameters(viewer, 'one', '/planner.secret') == {}
    viewer.send(op='setParameters', id='set',
                parameters=[{'name': '/planner.secret', 'value': 'y'}])
    wait_until(lambda: warnings(viewer))
    assert node.get_parameter('secret').value == 'x'
    assert set(viewer.services) == {'/planner/list_parameters'}


def test_the_connection_graph(ros, bridge):
    node = ros.node('camera')
    node.create_publisher(String, '/image', 10)
    ros.node('detector').create_subscription(String, '/image', print, 10)
    node.create_service(SetBool, '/flash', lambda request, response: response)
    viewer = bridge.viewer()
    viewer.send(op='subscribeConnectionGraph')
    wait_until(lambda: edges(viewer, '/image', '/flash') == (
        ['/camera'], ['/detector'], ['/camera']
    ))


def test_viewers_that_come_and_go_stop_nothing(ros, bridge):
    node = ros.node('planner')
    node.declare_parameter('speed', 0.0)
    publisher = node.create_publisher(String, '/chatter', 10)
    ros.serve(node)
    steady = bridge.viewer()
    steady.subscribe('/chatter')
    wait_until(publisher.get_subscription_count)
    for number in range(60):
        with FoxgloveViewer(bridge.url) as viewer:
            viewer.send(op='subscribeConnectionGraph')
            viewer.send(op='subscribeParameterUpdates', parameterNames=['/planner.speed'])
            node.set_parameters([Parameter('speed', value=float(number))])
    publisher.publish(String(data='still there'))
    wait_until(lambda: steady.of('/chatter'))


def test_assets_of_packages_and_nothing_else(bridge, start_bridge):
    viewer = bridge.viewer()
    assert 'not' in viewer.asset('package://std_msgs/package.xml')  # not of an allowed kind
    viewer = start_bridge(asset_uri_allowlist="['package://std_msgs/.*']").viewer()
    share = get_package_share_directory('std_msgs')
    with open(f'{share}/package.xml', 'rb') as file:
        assert viewer.asset('package://std_msgs/package.xml') == file.read()
    for refused in ('package://std_msgs/../sensor_msgs/package.xml', 'package://std_msgs/none',
                    'package://std_msgs/%2e%2e/sensor_msgs/package.xml',
                    'package://sensor_msgs/package.xml', 'file:///etc/passwd'):
        assert isinstance(viewer.asset(refused), str), refused


def test_clock_is_the_viewers_time(ros, start_bridge):
    node = ros.node('simulation')
    clock = node.create_publisher(
        Clock, '/clock', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    chatter = node.create_publisher(String, '/chatter', 10)
    viewer = start_bridge(use_sim_time='true').viewer()
    viewer.subscribe('/chatter')
    wait_until(lambda: clock.get_subscription_count() > 1 and chatter.get_subscription_count())
    now = Clock()
    now.clock.sec, now.clock.nanosec = 42, 500

    def told():
        clock.publish(now)
        return viewer.times

    wait_until(told)
    assert set(viewer.times) == {42_000_000_500}
    chatter.publish(String(data='at 42 s'))
    wait_until(lambda: viewer.of('/chatter'))
    assert viewer.of('/chatter')[0].log_ns == 42_000_000_500
