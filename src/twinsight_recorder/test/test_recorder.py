"""The recorder node over real DDS, into a real ReductStore."""

import asyncio
from dataclasses import replace
import os
from pathlib import Path
import signal
import sys
import time

import pytest
from pytest_ros import wait_until
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


def stored(settings, **selection):
    return list(read(Selection(robots=('robot_05',), **selection), settings))


def counts(recorder, topic):
    """Return the numbers of a topic's row in the summary."""
    [row] = [line for line in recorder.text().splitlines() if line.startswith(f'│ {topic} ')]
    return [int(cell) for cell in row.split('│')[2:-2]]


@pytest.fixture
def start(bench, store_settings):
    """Return a function that starts a recorder into the test's own bucket."""

    def run(*extra, url=store_settings.url, **parameters):
        bench.settings = replace(store_settings, url=url)
        return bench.start(*extra, mission_id='mission_42', **parameters)

    return run


def test_bytes_times_and_publishers_qos_are_recorded(bench, start, store_settings):
    node = bench.node
    latched = node.create_publisher(String, '/robot_description', LATCHED)
    sensor = node.create_publisher(String, '/sensor', BEST_EFFORT)
    latched.publish(String(data='<robot/>'))  # before any recorder is there
    recorder = start()
    bench.wait_for_subscriber(sensor, latched)
    before_ns = time.time_ns()
    for number in range(300):
        sensor.publish(String(data=f'reading {number}'))
        time.sleep(0.001)
    bench.wait_until_received('/sensor', 300)
    after_ns = time.time_ns()
    bench.wait_until_received('/robot_description', 1)
    assert recorder.end(30, ask=signal.SIGINT) == 0

    readings = stored(store_settings, topics=('/sensor',))
    assert [m.data for m in readings] == [text(f'reading {number}') for number in range(300)]
    assert [m.sequence for m in readings] == list(range(1, 301))
    assert all(before_ns <= m.publish_ns <= m.receive_ns <= after_ns for m in readings)
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


def test_topics_that_appear_later_are_found(bench, start, store_settings):
    recorder = start()
    recorder.wait_for('recording robot robot_05, mission mission_42')
    late = bench.publisher('/late', String)
    bench.wait_for_subscriber(late)
    late.publish(String(data='here'))
    bench.wait_until_received('/late', 1)
    assert recorder.end(30, ask=signal.SIGTERM) == 0
    assert [m.data for m in stored(store_settings) if m.channel.topic == '/late'] == [text('here')]


def test_a_best_effort_publisher_that_joins_a_reliable_one_is_recorded_too(
    bench, start, store_settings
):
    reliable = bench.publisher('/shared', String)
    recorder = start()
    bench.wait_for_subscriber(reliable)
    reliable.publish(String(data='reliable'))
    bench.wait_until_received('/shared', 1)
    other = bench.publisher('/shared', String, BEST_EFFORT)
    bench.wait_for_subscriber(reliable, other)
    other.publish(String(data='best effort'))
    bench.wait_until_received('/shared', 2)
    assert recorder.end(30, ask=signal.SIGINT) == 0
    messages = stored(store_settings, topics=('/shared',))
    assert [m.data for m in messages] == [text('reliable'), text('best effort')]


def test_big_and_small_messages_of_one_topic_keep_their_order(bench, start, store_settings):
    publisher = bench.publisher('/points', UInt8MultiArray)
    recorder = start()
    bench.wait_for_subscriber(publisher)
    sizes = [10, 200_000, 20, 63_000, 70_000, 30] * 5
    for number, size in enumerate(sizes):
        publisher.publish(UInt8MultiArray(data=bytes([number]) * size))
        time.sleep(0.005)
    bench.wait_until_received('/points', len(sizes))
    assert recorder.end(30, ask=signal.SIGINT) == 0
    expected = [
        serialize_message(UInt8MultiArray(data=bytes([number]) * size))
        for number, size in enumerate(sizes)
    ]
    messages = stored(store_settings, topics=('/points',))
    assert [m.data[:len(e)] for m, e in zip(messages, expected, strict=True)] == expected


def test_exclusion_labels_and_rate_come_from_the_parameter_file(
    bench, start, store_settings, tmp_path
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
    fast, slow, secret, other = (
        bench.publisher(name, String)
        for name in ('/robot/fast', '/robot/slow', '/robot/secret', '/elsewhere')
    )
    recorder = start('--params-file', str(file))
    bench.wait_for_subscriber(fast, slow)
    published = []

    def enough_are_kept():  # about a hundred a second are published meanwhile
        for publisher in (fast, slow, secret, other):
            publisher.publish(String(data=str(len(published))))
        published.append(len(published))
        topic = bench.topic('/robot/fast')
        return topic.received - topic.rate_limited >= 5

    wait_until(enough_are_kept)
    for name in ('/robot/fast', '/robot/slow'):
        bench.wait_until_received(name, len(published))
    assert recorder.end(30, ask=signal.SIGINT) == 0
    messages = stored(store_settings)
    by_topic = {}
    for message in messages:
        by_topic.setdefault(message.channel.topic, []).append(message)
    assert set(by_topic) == {'/robot/fast', '/robot/slow'}
    assert [m.data for m in by_topic['/robot/slow']] == [text(str(n)) for n in published]
    times_ns = [message.receive_ns for message in by_topic['/robot/fast']]
    span_s = (times_ns[-1] - times_ns[0]) / 1e9
    assert 5 <= len(times_ns) <= 10 * span_s + 2  # 10 Hz, of many more
    assert len(times_ns) < len(published)
    assert by_topic['/robot/fast'][0].labels == {
        'robot_id': 'robot_05', 'mission_id': 'mission_42', 'sensor_type': 'sonar',
        'site': 'Köln', 'floor': '3', 'level': '7',
    }
    assert len(stored(store_settings, labels={'site': 'Köln', 'level': '7'})) == len(
        by_topic['/robot/fast']
    )


def test_a_store_that_comes_later_gets_everything(bench, start, store_settings, reduct_server):
    late = replace(store_settings, url=reduct_server.url)
    reduct_server.stop()
    publisher = bench.publisher('/early', String)
    recorder = start(url=late.url)
    bench.wait_for_subscriber(publisher)
    for number in range(200):
        publisher.publish(String(data=str(number)))
        time.sleep(0.005)
    bench.wait_until_received('/early', 200)
    recorder.wait_for('waiting for it')
    assert 'does not answer' in recorder.text() and late.url in recorder.text()
    reduct_server.start()
    recorder.wait_for('ReductStore takes records again')
    assert recorder.end(30, ask=signal.SIGINT) == 0
    assert [m.data for m in stored(late, topics=('/early',))] == [
        text(str(number)) for number in range(200)
    ]


def test_what_an_absent_store_never_got_is_counted_where_there_is_no_spool(bench, start):
    publisher = bench.publisher('/unsaved', String)
    recorder = start(url='http://127.0.0.1:9', stop_timeout=1.0, **{'spool.size': 0})
    bench.wait_for_subscriber(publisher)
    for _ in range(7):
        publisher.publish(String(data='lost'))
    bench.wait_until_received('/unsaved', 7)
    assert recorder.end(30, ask=signal.SIGINT) == 1
    received, kept, lost, dropped, *_ = counts(recorder, '/unsaved')
    assert (received, kept, lost, dropped) == (7, 0, 0, 7)


def test_memory_for_an_absent_store_is_bounded_and_the_newest_is_dropped(
    bench, start, store_settings, reduct_server
):
    late = replace(store_settings, url=reduct_server.url)
    reduct_server.stop()
    publisher = bench.publisher('/big', UInt8MultiArray)
    recorder = start(
        url=late.url, memory_limit='1MB', **{'topics.include': '[/big]', 'spool.size': 0}
    )
    bench.wait_for_subscriber(publisher)
    for number in range(40):
        publisher.publish(UInt8MultiArray(data=bytes([number]) * 100_000))
        time.sleep(0.02)
    bench.wait_until_received('/big', 40)
    wait_until(lambda: bench.statuses[-1].store_message)
    status = bench.statuses[-1]
    assert status.queued_bytes <= status.queue_limit_bytes == 1_000_000
    assert status.store == RecorderStatus.STORE_WAITING
    assert 'does not answer' in status.store_message
    big = bench.topic('/big', status)
    assert (big.received, big.dropped, big.lost) == (40, 31, 0)
    reduct_server.start()
    recorder.wait_for('ReductStore takes records again')
    assert recorder.end(30, ask=signal.SIGINT) == 1
    assert [m.data[-1] for m in stored(late, topics=('/big',))] == list(range(9))


def test_a_wrong_token_is_one_clear_line_and_the_recorder_goes_on(
    ros, bench, start, store_settings, reduct_binary, tmp_path
):
    publisher = bench.publisher('/topic', String)
    with reductstore.running(reduct_binary, tmp_path / 'guarded', token='right') as server:
        recorder = start(url=server.url, stop_timeout=1.0)
        bench.wait_for_subscriber(publisher)
        publisher.publish(String(data='x'))
        bench.wait_until_received('/topic', 1)
        recorder.wait_for('TWINSIGHT_REDUCT_TOKEN')
        time.sleep(1.5)
        assert recorder.running
        lines = [line for line in recorder.text().splitlines() if 'refuses the token' in line]
        assert len(lines) == 1 and '401' in lines[0] and server.url in lines[0]
        assert recorder.end(30, ask=signal.SIGINT) == 1
        wait_until(lambda: not publisher.get_subscription_count())
        with_token = ros.start(
            'twinsight_recorder', 'recorder',
            *arguments(**{'store.bucket': store_settings.bucket}),
            TWINSIGHT_REDUCT_URL=server.url, TWINSIGHT_REDUCT_TOKEN='right',
        )
        bench.wait_for_subscriber(publisher)
        publisher.publish(String(data='y'))
        wait_until(lambda: bench.topic('/topic').stored == 1)
        assert with_token.end(30, ask=signal.SIGINT) == 0
        assert 'right' not in with_token.text()
        admitted = replace(store_settings, url=server.url, token='right')
        assert text('y') in [m.data for m in stored(admitted, topics=('/topic',))]


def test_a_full_quota_is_one_clear_line_and_refused_messages_are_counted(
    bench, start, store_settings
):
    publisher = bench.publisher('/big', UInt8MultiArray)
    recorder = start(**{'store.quota': '1MB', 'store.quota_type': 'HARD'})
    bench.wait_for_subscriber(publisher)
    for number in range(20):
        publisher.publish(UInt8MultiArray(data=bytes([number]) * 100_000))
        time.sleep(0.02)
    bench.wait_until_received('/big', 20)
    recorder.wait_for(f"Quota of '{store_settings.bucket}' exceeded")
    assert recorder.running
    assert recorder.end(30, ask=signal.SIGINT) == 1
    received, kept, lost, dropped, refused, *_ = counts(recorder, '/big')
    assert (received, lost, dropped) == (20, 0, 0)
    assert kept + refused == 20 and refused > 0
    assert len(stored(store_settings, topics=('/big',))) == kept > 0


def test_a_bucket_that_is_removed_is_made_again_and_what_comes_then_can_be_read(
    bench, start, store_settings
):
    publisher = bench.publisher('/topic', String)
    recorder = start()
    bench.wait_for_subscriber(publisher)
    publisher.publish(String(data='before'))
    wait_until(lambda: bench.topic('/topic').stored == 1)
    assert [m.data for m in stored(store_settings, topics=('/topic',))] == [text('before')]

    async def remove():
        async with connect(store_settings) as connection:
            await (await connection.bucket()).remove()

    asyncio.run(remove())
    time.sleep(0.5)
    for number in range(5):
        publisher.publish(String(data=f'after {number}'))
        time.sleep(0.5)
    bench.wait_until_received('/topic', 6)
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
    again = stored(store_settings, topics=('/topic',))
    assert [m.data for m in again] == [text(f'after {number}') for number in range(5)]
    assert again[0].channel.type_name == 'std_msgs/msg/String'


def test_a_type_that_is_not_installed_is_one_clear_line_and_the_rest_is_recorded(
    ros, bench, store_settings
):
    package = Path(tf2_msgs.__file__).parents[1]
    paths = os.environ['PYTHONPATH'].split(os.pathsep)
    if str(package) not in paths:
        pytest.skip('tf2_msgs lies with the other packages here, so it cannot be taken away')
    known, unknown = bench.publisher('/known', String), bench.publisher('/tf', TFMessage)
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
    bench.wait_for_subscriber(known)
    known.publish(String(data='known'))
    unknown.publish(TFMessage())
    bench.wait_until_received('/known', 1)
    time.sleep(0.5)  # it looks around again and again
    assert recorder.text().count('/tf is not recorded') == 1
    assert recorder.end(30, ask=signal.SIGINT) == 0
    assert [m.data for m in stored(store_settings, topics=('/known', '/tf'))] == [text('known')]
