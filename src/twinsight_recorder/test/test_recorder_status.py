"""What the recorder tells of itself: counts that add up, exact loss, rates, sim time."""

from itertools import pairwise
from statistics import median
import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from pytest import approx
from pytest_ros import wait_until
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from std_msgs.msg import UInt8MultiArray

from twinsight_interfaces.msg import RecorderStatus
from twinsight_interfaces.srv import SetMission

SHALLOW = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def stamp_s(status):
    return status.header.stamp.sec + status.header.stamp.nanosec / 1e9


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
    with stream([fast], 400) as to_fast, stream([slow], 50) as to_slow:
        begin = len(bench.statuses)
        wait_until(lambda: len(bench.statuses) >= begin + 6)
        steady = bench.statuses[begin:]
    bench.wait_until_received('/fast', to_fast.count)
    bench.wait_until_received('/slow', to_slow.count)
    wait_until(lambda: not any(topic.waiting for topic in bench.statuses[-1].topics))
    last, seen = bench.topic('/slow'), len(arrays)
    assert last.rate_limited > 0 and last.stored == len(bench.numbers('/slow'))
    assert bench.topic('/fast').stored == len(bench.numbers('/fast')) == to_fast.count
    wait_until(lambda: len(arrays) >= seen + 2)  # the one that goes with the status, or later
    bench.end(recorder)
    wait_until(lambda: bench.statuses[-1].mode == RecorderStatus.MODE_STOPPED)
    assert bench.topic('/slow').stored == last.stored
    for status in bench.statuses:
        for topic in status.topics:
            assert topic.received == accounted(topic), topic

    for before, after in pairwise(steady):
        span_s = stamp_s(after) - stamp_s(before)
        came = [
            bench.topic(name, after).received - bench.topic(name, before).received
            for name in ('/fast', '/slow')
        ]
        told = [bench.topic(name, after).messages_per_s for name in ('/fast', '/slow')]
        assert told == [approx(count / span_s, rel=0.2) for count in came]
        assert after.messages_per_s == approx(sum(came) / span_s, rel=0.2)
    assert 0.7 < median(stamp_s(b) - stamp_s(a) for a, b in pairwise(steady)) < 1.5

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
    seen = len(bench.statuses)
    wait_until(lambda: len(bench.statuses) >= seen + 2 and len({  # and what does has arrived
        bench.topic('/points', status).received for status in bench.statuses[-2:]
    }) == 1)
    publish(10, 1000)
    wait_until(lambda: bench.topic('/points').received + bench.topic('/points').lost == 120)

    def warned():
        warnings = [
            each.message for array in arrays for each in array.status
            if each.level == DiagnosticStatus.WARN and each.name == 'recorder: /points'
        ]
        return sum(int(text.split(' messages lost')[0]) for text in warnings)

    wait_until(lambda: warned() >= bench.topic('/points').lost)
    bench.end(recorder)
    topic = bench.counts(recorder, '/points')
    assert topic.lost > 20, 'nothing was lost: the test shows nothing'
    assert topic.received == topic.stored == len(bench.stored('/points'))
    sequences = [message.sequence for message in bench.stored('/points')]
    missing = sequences[-1] - sequences[0] + 1 - len(sequences)
    assert topic.lost == missing == warned()


def test_sim_time_that_stands_still_and_jumps_back_changes_nothing_of_a_recording(
    bench, stream
):
    numbers, clock = bench.publisher('/numbers'), bench.publisher('/clock', Clock)
    recorder = bench.start(use_sim_time=True, **{'topics.include': '[/numbers, /clock]'})
    bench.wait_for_subscriber(numbers)
    wait_until(lambda: clock.get_subscription_count() == 2)  # it records it, and goes by it

    def tick(*seconds):
        for each in seconds:
            clock.publish(Clock(clock=Time(sec=each)))
            time.sleep(0.05)

    with stream([numbers], 200) as running:
        tick(*range(1000, 1020))
        tick(*range(1010, 1020))  # back by 10 s, and then it stands still
        seen = len(bench.statuses)
        wait_until(lambda: len(bench.statuses) >= seen + 3)
        bench.do('set_mission', SetMission, mission_id='B')
        asked_ns, answered = bench.ros.asked_ns, running.count
        tick(*range(20, 30))
        wait_until(lambda: running.count >= answered + 100)
    bench.wait_until_received('/numbers', running.count)
    bench.wait_until_received('/clock', 40)
    received_ns = time.time_ns()
    wait_until(lambda: bench.statuses[-1].header.stamp.sec == 29)
    assert {status.mode for status in bench.statuses[1:]} == {RecorderStatus.MODE_RECORDING}
    bench.end(recorder)
    assert bench.numbers('/numbers') == [*range(running.count)]
    assert all(
        published_ns <= message.receive_ns <= received_ns
        for message, published_ns in zip(
            bench.stored('/numbers'), running.published_ns, strict=True
        )
    )
    after = bench.numbers('/numbers', missions=('B',))
    assert after == [*range(after[0], running.count)] and after[0] <= answered
    assert bench.stored('/numbers', missions=('B',))[0].receive_ns > asked_ns
    assert len(bench.stored('/clock')) == 40
    assert bench.counts(recorder, '/numbers').lost == 0


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
