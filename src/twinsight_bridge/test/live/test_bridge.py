"""The bridge over real DDS: what a viewer sees of topics that live, come and go."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import OccupancyGrid
import pytest
from pytest_foxglove import NeverReads
from pytest_ros import wait_until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import String, UInt8MultiArray
from tf2_msgs.msg import TFMessage

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)


def subscribed(node, topic):
    return [each.node_name for each in node.get_subscriptions_info_by_topic(topic)]


def own_bytes(bridge):
    """Return the memory of the bridge that is its own, without what DDS shares."""
    ours = subprocess.run(['pgrep', '-P', str(bridge.child.pid)], capture_output=True, text=True)
    pids = [bridge.child.pid, *map(int, ours.stdout.split())]
    return sum(rss_anon(pid) for pid in pids)


def rss_anon(pid):
    with open(f'/proc/{pid}/status') as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith('RssAnon'))


def payload(message):
    """Return the CDR as DDS delivers it, padded to four bytes."""
    data = serialize_message(message)
    return data + bytes(-len(data) % 4)


def test_messages_reach_the_viewer_byte_for_byte(ros, bridge):
    node = ros.node('robot')
    reliable = node.create_publisher(String, '/chatter', 50)
    best_effort = node.create_publisher(UInt8MultiArray, '/cloud', BEST_EFFORT)
    viewer = bridge.viewer()
    viewer.subscribe('/chatter', '/cloud')
    wait_until(lambda: reliable.get_subscription_count() and best_effort.get_subscription_count())

    texts = [String(data=f'message {number}') for number in range(40)]
    clouds = [UInt8MultiArray(data=bytes(range(number, number + 64))) for number in range(20)]
    for text in texts:
        reliable.publish(text)
    for cloud in clouds:
        best_effort.publish(cloud)

    wait_until(lambda: len(viewer.of('/chatter')) == 40 and len(viewer.of('/cloud')) == 20)
    assert [each.data for each in viewer.of('/chatter')] == [payload(each) for each in texts]
    assert [each.data for each in viewer.of('/cloud')] == [payload(each) for each in clouds]
    times = [each.log_ns for each in viewer.of('/chatter')]
    assert times == sorted(times)
    assert viewer.channels['/chatter']['encoding'] == 'cdr'
    assert viewer.channels['/chatter']['schemaName'] == 'std_msgs/msg/String'
    assert viewer.channels['/chatter']['schemaEncoding'] == 'ros2msg'
    assert 'string data' in viewer.channels['/chatter']['schema']


def test_ros_is_subscribed_to_only_while_a_viewer_is(ros, bridge):
    node = ros.node('robot')
    publisher = node.create_publisher(String, '/chatter', 10)
    one, two = bridge.viewer(), bridge.viewer()
    wait_until(lambda: '/chatter' in one.channels)
    assert subscribed(node, '/chatter') == []

    for viewer in (one, two):
        viewer.subscribe('/chatter')
        viewer.asset('package://none')  # answered in turn: the server has counted the viewer
    wait_until(publisher.get_subscription_count)
    wait_until(lambda: subscribed(node, '/chatter') == ['bridge'])
    one.unsubscribe('/chatter')
    one.asset('package://none')
    publisher.publish(String(data='still there'))
    wait_until(lambda: two.of('/chatter'))
    assert one.of('/chatter') == []
    assert subscribed(node, '/chatter') == ['bridge']

    two.close()
    wait_until(lambda: subscribed(node, '/chatter') == [])


def test_late_viewers_get_latched_topics(ros, bridge):
    node, other = ros.node('map_server'), ros.node('static_tf')
    grid = OccupancyGrid(data=[100] * 400)
    first = TFMessage(transforms=[TransformStamped(child_frame_id='laser')])
    second = TFMessage(transforms=[TransformStamped(child_frame_id='camera')])
    node.create_publisher(OccupancyGrid, '/map', LATCHED).publish(grid)
    node.create_publisher(TFMessage, '/tf_static', LATCHED).publish(first)
    other.create_publisher(TFMessage, '/tf_static', LATCHED).publish(second)

    early = bridge.viewer()
    early.subscribe('/map', '/tf_static')
    wait_until(lambda: early.of('/map') and len(early.of('/tf_static')) == 2)
    everything = {each.data for each in early.of('/tf_static')}
    decoded = [deserialize_message(each, TFMessage) for each in everything]
    assert first in decoded and second in decoded
    assert deserialize_message(early.of('/map')[0].data, OccupancyGrid) == grid
    for _ in range(2):  # a second one, and one that comes again
        late = bridge.viewer()
        late.subscribe('/tf_static', '/map')
        wait_until(lambda late=late: late.of('/map') and len(late.of('/tf_static')) == 2)
        assert {each.data for each in late.of('/tf_static')} == everything
        assert late.of('/map')[0].data == early.of('/map')[0].data
        late.close()
    early.subscribe('/tf_static')  # refused by the server: it has it already
    wait_until(lambda: early.told_of('status'))
    assert len(early.of('/map')) == 1  # what others are given again does not come twice
    assert len(early.of('/tf_static')) == 2


def test_a_newer_latched_message_replaces_the_one_that_is_kept(ros, bridge):
    publisher = ros.node('map_server').create_publisher(String, '/plan', LATCHED)
    publisher.publish(String(data='old'))
    early = bridge.viewer()
    early.subscribe('/plan')
    wait_until(lambda: early.of('/plan'))
    publisher.publish(String(data='new'))
    wait_until(lambda: len(early.of('/plan')) == 2)

    late = bridge.viewer()
    late.subscribe('/plan')
    wait_until(lambda: late.of('/plan'))
    assert [each.data for each in late.of('/plan')] == [payload(String(data='new'))]


def test_topics_come_and_go(ros, bridge):
    node = ros.node('robot')
    viewer = bridge.viewer()
    wait_until(lambda: viewer.told_of('serverInfo'))
    assert '/chatter' not in viewer.channels
    for round_ in ('first', 'second'):
        publisher = node.create_publisher(String, '/chatter', LATCHED)
        publisher.publish(String(data=round_))
        viewer.subscribe('/chatter')
        wait_until(lambda round_=round_: any(round_.encode() in m.data for m in viewer.got))
        node.destroy_publisher(publisher)
        wait_until(lambda: '/chatter' not in viewer.channels)
    wait_until(lambda: subscribed(node, '/chatter') == [])


def test_a_best_effort_publisher_that_joins_is_received_too(ros, bridge):
    node = ros.node('robot')
    reliable = node.create_publisher(String, '/chatter', 10)
    viewer = bridge.viewer()
    viewer.subscribe('/chatter')
    wait_until(reliable.get_subscription_count)
    joined = node.create_publisher(String, '/chatter', BEST_EFFORT)
    wait_until(joined.get_subscription_count)

    def arrived():
        joined.publish(String(data='from the one that joined'))  # best effort: one may be lost
        return any(b'joined' in each.data for each in viewer.of('/chatter'))

    wait_until(arrived)


def test_a_viewer_that_takes_nothing_costs_its_limit_and_the_others_nothing(ros, bridge):
    node = ros.node('robot')
    camera = node.create_publisher(UInt8MultiArray, '/camera', 30)
    others = [bridge.viewer(), bridge.viewer()]
    for viewer in others:
        viewer.subscribe('/camera')
    stalled = NeverReads(bridge.url, '/camera')
    stalled.be_heard()
    wait_until(camera.get_subscription_count)
    before = own_bytes(bridge)
    most = before
    for number in range(120):  # as fast as the others take it, however busy the machine is
        camera.publish(UInt8MultiArray(data=number.to_bytes(4, 'little') + bytes(1_000_000)))
        wait_until(lambda count=number + 1: all(len(each.got) == count for each in others))
        most = max(most, own_bytes(bridge))
    for viewer in others:
        assert [int.from_bytes(m.data[16:20], 'little') for m in viewer.got] == list(range(120))
    assert most - before < 60_000_000  # of 120 MB, 10 MB for each of three and what is on its way
    with urllib.request.urlopen(bridge.pages + '/viewers') as page:
        lost = [each['lost'].get('/camera', {'messages': 0}) for each in json.load(page)]
    assert [each['messages'] for each in lost[:2]] == [0, 0]
    assert lost[2]['messages'] > 90
    stalled.close()


def test_only_allowed_topics_are_shown(ros, start_bridge):
    node = ros.node('robot')
    for topic in ('/a_secret', '/_hidden', '/camera/front', '/camera/front/info'):
        node.create_publisher(String, topic, 10)
    viewer = start_bridge(topic_whitelist="['/camera/.*', '/_.*']").viewer()
    wait_until(lambda: '/camera/front/info' in viewer.channels)
    assert set(viewer.channels) == {'/camera/front', '/camera/front/info'}


def test_older_viewers_connect_and_others_are_told_why_not(bridge):
    viewer = bridge.viewer(protocol='foxglove.websocket.v1')
    wait_until(lambda: viewer.told_of('serverInfo'))
    assert viewer.socket.subprotocol == 'foxglove.websocket.v1'

    with urllib.request.urlopen(bridge.pages + '/viewers') as page:
        assert [each['lost'] for each in json.load(page)] == [{}]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(bridge.pages)
    assert refused.value.code == 426
    assert 'Open ws://127.0.0.1' in refused.value.read().decode()


def test_a_second_signal_does_not_spoil_the_end(ros, bridge):
    bridge.viewer()
    for _ in range(2):  # as ros2 launch does after a terminal did
        os.kill(bridge.child.pid, signal.SIGINT)
        time.sleep(0.05)
    assert bridge.child.end(20) == 0, bridge.child.text()


def test_a_wrong_parameter_is_said_in_one_line(ros):
    child = ros.start(
        'twinsight_bridge', 'bridge', '--ros-args', '-p', 'topic_whitelist:=["("]',
        '-p', 'address:=127.0.0.1', '-p', 'port:=0',
    )
    assert child.end(30) == 2
    assert child.err.read_text().splitlines()[-1].startswith(
        "bridge: topic_whitelist: '(': missing ), unterminated subpattern"
    )
