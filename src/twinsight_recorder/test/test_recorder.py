"""The recorder node over real DDS, into a real ReductStore."""

import asyncio
from dataclasses import replace
import os
from pathlib import Path
import signal
import sys
import time

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from std_msgs.msg import String, UInt8MultiArray
import tf2_msgs
from tf2_msgs.msg import TFMessage

from twinsight_interfaces.msg import RecorderStatus
from twinsight_store.connection import connect, URL_VARIABLE
from twinsight_store.read import read
from twinsight_store.selection import Selection
from twinsight_tools import reductstore

LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


def text(data):
    """Return a String message as the bytes that DDS delivers: padded to four."""
    serialized = serialize_message(String(data=data))
    return serialized + bytes(-len(serialized) % 4)


def arguments(**parameters):
    given = {'robot_id': 'robot_05', 'mission_id': 'mission_42', **parameters}
    return ['--ros-args', *(
        word for name, value in given.items() for word in ('-p', f'{name}:={value}')
    )]


def connected(publishers):
    return lambda: all(publisher.get_subscription_count() for publisher in publishers)


def stored(settings, **selection):
    return list(read(Selection(robots=('robot_05',), **selection), settings))


def counts(recorder, topic):
    """Return the numbers of a topic's row in the summary."""
    [row] = [line for line in recorder.text().splitlines() if line.startswith(f'│ {topic} ')]
    return [int(cell) for cell in row.split('│')[2:-2]]


@pytest.fixture
def start(ros, store_settings):
    """Return a function that starts a recorder into the test's own bucket."""

    def run(*extra, url=store_settings.url, **parameters):
        return ros.start(
            'twinsight_recorder', 'recorder',
            *arguments(**{'store.bucket': store_settings.bucket, **parameters}), *extra,
            **{URL_VARIABLE: url},
        )

    return run


def test_bytes_times_and_publishers_qos_are_recorded(ros, start, store_settings):
    node = ros.node('robot')
    latched = node.create_publisher(String, '/robot_description', LATCHED)
    sensor = node.create_publisher(String, '/sensor', BEST_EFFORT)
    latched.publish(String(data='<robot/>'))  # before any recorder is there
    recorder = start()
    ros.spin(node, connected([sensor, latched]))
    before_ns = time.time_ns()
    for number in range(300):
        sensor.publish(String(data=f'reading {number}'))
        time.sleep(0.001)
    after_ns = time.time_ns()
    time.sleep(0.5)
    assert recorder.end(20, ask=signal.SIGINT) == 0

    readings = stored(store_settings, topics=('/sensor',))
    assert [m.data for m in readings] == [text(f'reading {number}') for number in range(300)]
    assert [m.sequence for m in readings] == list(range(1, 301))
    assert all(before_ns <= m.publish_ns <= m.receive_ns <= after_ns + 10**9 for m in readings)
    assert readings[0].labels == {
        'robot_id': 'robot_05', 'mission_id': 'mission_42', 'sensor_type': 'other',
    }
    [description] = stored(store_settings, topics=('/robot_description',))
    assert description.data == text('<robot/>')
    assert 'durability: transient_local' in description.channel.offered_qos
    assert 'reliability: best_effort' in readings[0].channel.offered_qos
    assert description.channel.type_name == 'std_msgs/msg/String'
    assert b'string data' in description.channel.schema
    assert description.channel.metadata['topic_type_hash'].startswith('RIHS01_')


def test_topics_that_appear_later_are_found(ros, start, store_settings):
    node = ros.node('robot')
    recorder = start()
    recorder.wait_for('recording robot robot_05, mission mission_42')
    late = node.create_publisher(String, '/late', 10)
    ros.spin(node, connected([late]))
    late.publish(String(data='here'))
    time.sleep(0.3)
    assert recorder.end(20, ask=signal.SIGTERM) == 0
    assert [m.data for m in stored(store_settings) if m.channel.topic == '/late'] == [text('here')]


def test_a_best_effort_publisher_that_joins_a_reliable_one_is_recorded_too(
    ros, start, store_settings
):
    node = ros.node('robot')
    reliable = node.create_publisher(String, '/shared', 10)
    recorder = start()
    ros.spin(node, connected([reliable]))
    reliable.publish(String(data='reliable'))
    time.sleep(0.3)
    other = node.create_publisher(String, '/shared', BEST_EFFORT)
    ros.spin(node, connected([reliable, other]))
    other.publish(String(data='best effort'))
    time.sleep(0.3)
    assert recorder.end(20, ask=signal.SIGINT) == 0
    messages = stored(store_settings, topics=('/shared',))
    assert [m.data for m in messages] == [text('reliable'), text('best effort')]


def test_big_and_small_messages_of_one_topic_keep_their_order(ros, start, store_settings):
    node = ros.node('robot')
    publisher = node.create_publisher(UInt8MultiArray, '/points', 100)
    recorder = start()
    ros.spin(node, connected([publisher]))
    sizes = [10, 200_000, 20, 63_000, 70_000, 30] * 5
    for number, size in enumerate(sizes):
        publisher.publish(UInt8MultiArray(data=bytes([number]) * size))
        time.sleep(0.005)
    time.sleep(0.5)
    assert recorder.end(20, ask=signal.SIGINT) == 0
    expected = [
        serialize_message(UInt8MultiArray(data=bytes([number]) * size))
        for number, size in enumerate(sizes)
    ]
    messages = stored(store_settings, topics=('/points',))
    assert [m.data[:len(e)] for m, e in zip(messages, expected, strict=True)] == expected


def test_exclusion_labels_and_rate_come_from_the_parameter_file(
    ros, start, store_settings, tmp_path
):
    file = tmp_path / 'recorder.yaml'
    file.write_text("""
/**:
  ros__parameters:
    labels: {site: Köln, floor: 3}
    topics: {include: ['/robot/.*'], exclude: ['.*/secret']}
    streams:
      slow: {topics: [/robot/fast], sensor_type: sonar, max_rate: 10.0, labels: {level: '7'}}
""")
    node = ros.node('robot')
    fast, slow, secret, other = (
        node.create_publisher(String, name, 100)
        for name in ('/robot/fast', '/robot/slow', '/robot/secret', '/elsewhere')
    )
    recorder = start('--params-file', str(file))
    ros.spin(node, connected([fast, slow]))
    for number in range(100):
        for publisher in (fast, slow, secret, other):
            publisher.publish(String(data=str(number)))
        time.sleep(0.01)
    time.sleep(0.3)
    assert recorder.end(20, ask=signal.SIGINT) == 0
    messages = stored(store_settings)
    by_topic = {}
    for message in messages:
        by_topic.setdefault(message.channel.topic, []).append(message)
    assert set(by_topic) == {'/robot/fast', '/robot/slow'}
    assert [m.data for m in by_topic['/robot/slow']] == [text(str(n)) for n in range(100)]
    times_ns = [message.receive_ns for message in by_topic['/robot/fast']]
    span_s = (times_ns[-1] - times_ns[0]) / 1e9
    assert 5 <= len(times_ns) <= 10 * span_s + 2  # 100 messages in that time, 10 Hz of them
    assert by_topic['/robot/fast'][0].labels == {
        'robot_id': 'robot_05', 'mission_id': 'mission_42', 'sensor_type': 'sonar',
        'site': 'Köln', 'floor': '3', 'level': '7',
    }
    assert len(stored(store_settings, labels={'site': 'Köln', 'level': '7'})) == len(
        by_topic['/robot/fast']
    )


def test_a_store_that_comes_later_gets_everything(ros, start, store_settings, reduct_server):
    late = replace(store_settings, url=reduct_server.url)
    reduct_server.stop()
    node = ros.node('robot')
    publisher = node.create_publisher(String, '/early', 1000)
    recorder = start(url=late.url)
    ros.spin(node, connected([publisher]))
    for number in range(200):
        publisher.publish(String(data=str(number)))
        time.sleep(0.005)
    recorder.wait_for('does not answer')
    assert 'waiting for it' in recorder.text() and late.url in recorder.text()
    reduct_server.start()
    recorder.wait_for('ReductStore takes records again')
    assert recorder.end(20, ask=signal.SIGINT) == 0
    assert [m.data for m in stored(late, topics=('/early',))] == [
        text(str(number)) for number in range(200)
    ]


def test_what_an_absent_store_never_got_is_counted_where_there_is_no_spool(ros, start):
    node = ros.node('robot')
    publisher = node.create_publisher(String, '/unsaved', 10)
    recorder = start(url='http://127.0.0.1:9', stop_timeout=1.0, **{'spool.size': 0})
    ros.spin(node, connected([publisher]))
    for _ in range(7):
        publisher.publish(String(data='lost'))
    time.sleep(0.3)
    assert recorder.end(20, ask=signal.SIGINT) == 1
    received, kept, lost, dropped, *_ = counts(recorder, '/unsaved')
    assert (received, kept, lost, dropped) == (7, 0, 0, 7)


def test_memory_for_an_absent_store_is_bounded_and_the_newest_is_dropped(
    ros, start, store_settings, reduct_server
):
    late = replace(store_settings, url=reduct_server.url)
    reduct_server.stop()
    node = ros.node('robot')
    publisher = node.create_publisher(UInt8MultiArray, '/big', 100)
    statuses = []
    node.create_subscription(RecorderStatus, '/recorder/status', statuses.append, 10)
    recorder = start(
        url=late.url, memory_limit='1MB', **{'topics.include': '[/big]', 'spool.size': 0}
    )
    ros.spin(node, connected([publisher]))
    for number in range(40):
        publisher.publish(UInt8MultiArray(data=bytes([number]) * 100_000))
        time.sleep(0.02)
    ros.spin(node, lambda: statuses and statuses[-1].topics and any(
        topic.topic == '/big' and topic.received == 40 for topic in statuses[-1].topics
    ))
    assert statuses[-1].queued_bytes <= statuses[-1].queue_limit_bytes == 1_000_000
    assert statuses[-1].store == RecorderStatus.STORE_WAITING
    assert 'does not answer' in statuses[-1].store_message
    [big] = [topic for topic in statuses[-1].topics if topic.topic == '/big']
    assert (big.received, big.dropped, big.lost) == (40, 31, 0)
    reduct_server.start()
    recorder.wait_for('ReductStore takes records again')
    assert recorder.end(20, ask=signal.SIGINT) == 1
    assert [m.data[-1] for m in stored(late, topics=('/big',))] == list(range(9))


def test_a_wrong_token_is_one_clear_line_and_the_recorder_goes_on(
    ros, start, store_settings, reduct_binary, tmp_path
):
    node = ros.node('robot')
    publisher = node.create_publisher(String, '/topic', 10)
    with reductstore.running(reduct_binary, tmp_path / 'guarded', token='right') as server:
        recorder = start(url=server.url, stop_timeout=1.0)
        ros.spin(node, connected([publisher]))
        publisher.publish(String(data='x'))
        recorder.wait_for('TWINSIGHT_REDUCT_TOKEN')
        time.sleep(1.5)
        assert recorder.running
        lines = [line for line in recorder.text().splitlines() if 'refuses the token' in line]
        assert len(lines) == 1 and '401' in lines[0] and server.url in lines[0]
        assert recorder.end(20, ask=signal.SIGINT) == 1
        with_token = ros.start(
            'twinsight_recorder', 'recorder',
            *arguments(**{'store.bucket': store_settings.bucket}),
            TWINSIGHT_REDUCT_URL=server.url, TWINSIGHT_REDUCT_TOKEN='right',
        )
        ros.spin(node, connected([publisher]))
        time.sleep(0.3)
        publisher.publish(String(data='y'))
        time.sleep(0.5)
        assert with_token.end(20, ask=signal.SIGINT) == 0
        assert 'right' not in with_token.text()
        admitted = replace(store_settings, url=server.url, token='right')
        assert text('y') in [m.data for m in stored(admitted, topics=('/topic',))]


def test_a_full_quota_is_one_clear_line_and_refused_messages_are_counted(
    ros, start, store_settings
):
    node = ros.node('robot')
    publisher = node.create_publisher(UInt8MultiArray, '/big', 100)
    recorder = start(**{'store.quota': '1MB', 'store.quota_type': 'HARD'})
    ros.spin(node, connected([publisher]))
    for number in range(20):
        publisher.publish(UInt8MultiArray(data=bytes([number]) * 100_000))
        time.sleep(0.1)
    recorder.wait_for(f"Quota of '{store_settings.bucket}' exceeded")
    assert recorder.running
    assert recorder.end(20, ask=signal.SIGINT) == 1
    received, kept, lost, dropped, refused, *_ = counts(recorder, '/big')
    assert (received, lost, dropped) == (20, 0, 0)
    assert kept + refused == 20 and refused > 0
    assert len(stored(store_settings, topics=('/big',))) == kept > 0


def test_a_bucket_that_is_removed_is_made_again_and_what_comes_then_can_be_read(
    ros, start, store_settings
):
    node = ros.node('robot')
    publisher = node.create_publisher(String, '/topic', 10)
    recorder = start()
    ros.spin(node, connected([publisher]))
    publisher.publish(String(data='before'))
    time.sleep(2)
    assert [m.data for m in stored(store_settings, topics=('/topic',))] == [text('before')]

    async def remove():
        async with connect(store_settings) as connection:
            await (await connection.bucket()).remove()

    asyncio.run(remove())
    time.sleep(0.5)
    for number in range(5):
        publisher.publish(String(data=f'after {number}'))
        time.sleep(0.5)
    assert recorder.end(20, ask=signal.SIGINT) == 0, recorder.text()
    again = stored(store_settings, topics=('/topic',))
    assert [m.data for m in again] == [text(f'after {number}') for number in range(5)]
    assert again[0].channel.type_name == 'std_msgs/msg/String'


def test_a_type_that_is_not_installed_is_one_clear_line_and_the_rest_is_recorded(
    ros, start, store_settings
):
    package = Path(tf2_msgs.__file__).parents[1]
    paths = os.environ['PYTHONPATH'].split(os.pathsep)
    if str(package) not in paths:
        pytest.skip('tf2_msgs lies with the other packages here, so it cannot be taken away')
    node = ros.node('robot')
    known = node.create_publisher(String, '/known', 10)
    unknown = node.create_publisher(TFMessage, '/tf', 10)
    recorder = ros.run(
        'recorder',
        [
            sys.executable, '-m', 'twinsight_recorder.recorder',
            *arguments(**{'store.bucket': store_settings.bucket}),
        ],
        PYTHONPATH=os.pathsep.join(path for path in paths if path != str(package)),
        **{URL_VARIABLE: store_settings.url},
    )
    recorder.wait_for('topic /tf is not recorded: type tf2_msgs/msg/TFMessage: not installed here')
    ros.spin(node, connected([known]))
    known.publish(String(data='known'))
    unknown.publish(TFMessage())
    time.sleep(0.5)
    assert recorder.text().count('/tf is not recorded') == 1
    assert recorder.end(20, ask=signal.SIGINT) == 0
    assert [m.data for m in stored(store_settings, topics=('/known', '/tf'))] == [text('known')]
