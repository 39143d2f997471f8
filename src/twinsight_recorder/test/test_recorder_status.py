"""What the recorder tells of itself: counts that add up, exact loss, rates, sim time."""

import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from pytest_ros import wait_until
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from std_msgs.msg import UInt8MultiArray

from twinsight_interfaces.msg import RecorderStatus
from twinsight_interfaces.srv import SetMission

SHALLOW = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def accounted(topic):
    return (
        topic.stored + topic.dropped + topic.refused + topic.rate_limited + topic.left_out
        + topic.waiting
    )


def test_counts_add_up_at_every_status_and_rates_are_those_of_the_publishers(
    bench, stream, tmp_path
):
    file = tmp_path / 'recorder.yaml'
    file.write_text("""
/**:
  ros__parameters:
    topics: {include: ['/fast', '/slow']}
    chunk: {max_age: 100ms}
    streams: {slow: {topics: [/slow], max_rate: 20.0}}
""")
    arrays = []
    bench.node.create_subscription(DiagnosticArray, '/diagnostics', arrays.append, 100)
    fast, slow = bench.publisher('/fast'), bench.publisher('/slow')
    recorder = bench.start('--params-file', str(file))
    bench.wait_for_subscriber(fast, slow)
    with stream([fast], 400), stream([slow], 50):
        begin = len(bench.statuses)
        wait_until(lambda: len(bench.statuses) >= begin + 6)
    end = len(bench.statuses)
    bench.end(recorder)
    wait_until(lambda: bench.topic('/fast').waiting == 0)
    for status in bench.statuses:
        for topic in status.topics:
            assert topic.received == accounted(topic), topic
    steady = bench.statuses[begin + 2:end]
    for name, rate in (('/fast', 400), ('/slow', 50)):
        rates = [bench.topic(name, status).messages_per_s for status in steady]
        assert abs(sum(rates) / len(rates) - rate) < 0.2 * rate, rates
    assert all(abs(status.messages_per_s - 450) < 0.2 * 450 for status in steady[:1])
    stamps = [s.header.stamp.sec + s.header.stamp.nanosec / 1e9 for s in bench.statuses[:-1]]
    assert all(0.7 < b - a < 1.5 for a, b in zip(stamps, stamps[1:], strict=False)), stamps
    last = bench.topic('/slow')
    assert last.rate_limited > 0 and last.stored == len(bench.numbers('/slow'))
    assert bench.topic('/fast').stored == len(bench.numbers('/fast'))

    found = {each.name: each for each in arrays[-1].status}
    assert set(found) == {'recorder: recording', 'recorder: /fast', 'recorder: /slow'}
    assert all(each.level == DiagnosticStatus.OK for each in found.values())
    assert found['recorder: recording'].hardware_id == 'robot_05'
    values = {pair.key: pair.value for pair in found['recorder: /slow'].values}
    assert int(values['received']) == last.received
    assert int(values['rate_limited']) == last.rate_limited


def test_what_is_lost_in_dds_is_counted_exactly(bench):
    publisher = bench.publisher('/points', UInt8MultiArray, SHALLOW)
    arrays = []
    bench.node.create_subscription(DiagnosticArray, '/diagnostics', arrays.append, 100)
    recorder = bench.start(**{'topics.include': '[/points]'})
    bench.wait_for_subscriber(publisher)

    def publish(messages, size):
        for _ in range(messages):
            publisher.publish(UInt8MultiArray(data=bytes(size)))
            time.sleep(0.01)

    publish(10, 1000)
    bench.wait_until_received('/points', 10)
    publish(100, 2_000_000)  # without the DDS profile most of them do not arrive
    publish(10, 1000)
    wait_until(lambda: bench.topic('/points').received + bench.topic('/points').lost == 120)
    bench.end(recorder)
    topic = bench.topic('/points')
    assert topic.lost > 20, 'nothing was lost: the test shows nothing'
    assert topic.received == topic.stored == len(bench.stored('/points'))
    sequences = [message.sequence for message in bench.stored('/points')]
    missing = sequences[-1] - sequences[0] + 1 - len(sequences)
    assert topic.lost == missing
    warnings = [
        each.message for array in arrays for each in array.status
        if each.level == DiagnosticStatus.WARN and each.name == 'recorder: /points'
    ]
    assert sum(int(text.split(' messages lost')[0]) for text in warnings) == missing


def test_sim_time_that_stands_still_and_jumps_back_changes_nothing_of_a_recording(
    bench, stream
):
    numbers, clock = bench.publisher('/numbers'), bench.node.create_publisher(Clock, '/clock', 10)
    recorder = bench.start(use_sim_time=True, **{'topics.include': '[/numbers, /clock]'})
    bench.wait_for_subscriber(numbers, clock)

    def tick(*seconds):
        for each in seconds:
            clock.publish(Clock(clock=Time(sec=each)))
            time.sleep(0.05)

    with stream([numbers], 200) as running:
        tick(*range(1000, 1020))
        tick(*range(1010, 1020))  # back by 10 s, and then it stands still
        seen = len(bench.statuses)
        wait_until(lambda: len(bench.statuses) >= seen + 3, timeout_s=4.5)
        bench.do('set_mission', SetMission, mission_id='B')
        asked = running.count
        tick(*range(20, 30))
        wait_until(lambda: running.count >= asked + 100)
    bench.wait_until_received('/numbers', running.count)
    bench.end(recorder)
    assert bench.numbers('/numbers') == [*range(running.count)]
    assert all(
        abs(message.receive_ns - published_ns) < 10**9
        for message, published_ns in zip(
            bench.stored('/numbers'), running.published_ns, strict=True
        )
    )
    after = bench.numbers('/numbers', missions=('B',))
    assert after == [*range(after[0], running.count)] and abs(after[0] - asked) <= 40
    assert len(bench.stored('/clock')) == 40
    assert bench.topic('/numbers').lost == 0
    assert bench.statuses[-1].header.stamp.sec == 29
    assert all(status.mode == RecorderStatus.MODE_RECORDING for status in bench.statuses[1:-1])


def test_a_topic_whose_big_messages_die_inside_dds_is_named_with_the_remedy(bench):
    best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    cloud = bench.publisher('/cloud', UInt8MultiArray, best_effort)  # no profile in this process
    recorder = bench.start(**{'topics.include': '[/cloud]'})
    bench.wait_for_subscriber(cloud)
    message = serialize_message(UInt8MultiArray(data=bytes(2_000_000)))

    def warned():
        cloud.publish(message)
        time.sleep(0.05)
        return 'too big for the shared memory of Fast DDS' in recorder.text()

    wait_until(warned)
    [line] = [line for line in recorder.text().splitlines() if 'too big for' in line]
    assert 'topic /cloud (std_msgs/msg/UInt8MultiArray): lost' in line
    assert 'FASTDDS_DEFAULT_PROFILES_FILE=' in line and 'fastdds.xml' in line
    wait_until(lambda: bench.topic('/cloud').lost > 0)
    bench.end(recorder)


def test_diagnostics_are_left_out_where_the_configuration_says_so(bench):
    recorder = bench.start(diagnostics='false')
    wait_until(lambda: bench.statuses)
    assert not bench.node.get_publishers_info_by_topic('/diagnostics')
    bench.end(recorder)
