"""The recorder in mode snapshot over real DDS: what is in the store once it is asked."""

import time

from diagnostic_msgs.msg import DiagnosticStatus
from pytest_ros import wait_until
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from twinsight_interfaces.msg import RecorderStatus
from twinsight_interfaces.srv import SetMission, TakeSnapshot

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
RATE_HZ = 100
UNDER_WAY_NS = 600_000_000
"""What a message, or a call, takes at most to the recorder on a machine that is busy."""


def assert_covers(numbers, running, begin_ns, end_ns):
    """Assert that all numbers of a span are there, and none from outside of it."""
    assert numbers == [*range(numbers[0], numbers[-1] + 1)]
    assert abs(running.published_ns[numbers[0]] - begin_ns) < UNDER_WAY_NS
    assert abs(running.published_ns[numbers[-1]] - end_ns) < UNDER_WAY_NS


def span_s(messages):
    return (messages[-1].receive_ns - messages[0].receive_ns) / 1e9


def test_nothing_is_stored_until_a_snapshot_is_asked_for(bench, stream):
    numbers, plan = bench.publisher('/numbers'), bench.publisher('/plan', String, LATCHED)
    plan.publish(String(data='the plan'))
    recorder = bench.start(
        mode='snapshot', **{'snapshot.duration': '2s', 'topics.include': '[/numbers, /plan]'}
    )
    bench.wait_for_subscriber(numbers, plan)
    with stream([numbers], RATE_HZ) as running:
        wait_until(lambda: running.count >= 3 * RATE_HZ)
        assert bench.statuses[-1].mode == RecorderStatus.MODE_SNAPSHOT
        assert not bench.stored('/numbers') and not bench.stored('/plan')
        bench.do('set_mission', SetMission, mission_id='B')
        answer = bench.do('snapshot', TakeSnapshot, before_s=1.0, after_s=0.5)
        asked_ns = bench.ros.asked_ns
        wait_until(lambda: running.count >= 5 * RATE_HZ)
        kept = bench.numbers('/numbers')
        assert_covers(kept, running, asked_ns - 10**9, asked_ns + 5 * 10**8)
        assert 1.4 < span_s(bench.stored('/numbers')) <= 1.5
        again = bench.do('snapshot', TakeSnapshot)
        again_ns = bench.ros.asked_ns
        running_at = running.count
    bench.wait_until_received('/numbers', running.count)
    bench.end(recorder)

    assert answer.message.endswith(' of the last 1.0 s, and what comes in the next 0.5 s')
    before = [m for m in bench.stored('/numbers') if m.receive_ns <= asked_ns]
    assert abs(answer.messages - len(before) - 1) <= UNDER_WAY_NS * RATE_HZ / 10**9  # + the plan
    [message] = bench.stored('/plan')
    assert b'the plan' in message.data

    later = [number for number in bench.numbers('/numbers') if number not in kept]
    # of the last 2 s, those that the first snapshot had are stored already
    under_way = len(later) - again.messages  # had arrived, and were taken after the answer
    assert 0 <= under_way <= UNDER_WAY_NS * RATE_HZ / 10**9 and later[-1] <= running_at
    assert_covers(later, running, asked_ns + 5 * 10**8, again_ns)
    assert again.message == f'{again.messages} messages of the last 2.0 s'
    assert bench.numbers('/numbers', missions=('A',))[-1] + 1 == bench.numbers(
        '/numbers', missions=('B',)
    )[0]
    topic = bench.topic('/numbers')
    assert topic.stored == len(kept) + len(later)
    assert topic.stored + topic.left_out == topic.received == running.count


def test_a_rule_takes_a_snapshot_by_itself(bench, stream, tmp_path):
    file = tmp_path / 'recorder.yaml'
    file.write_text("""
/**:
  ros__parameters:
    mode: snapshot
    snapshot:
      duration: 2s
      rules:
        trouble: {topic: /motor, when: level == ERROR, before: 1s, after: 500ms}
""")
    numbers, motor = bench.publisher('/numbers'), bench.publisher('/motor', DiagnosticStatus)
    recorder = bench.start('--params-file', str(file))
    bench.wait_for_subscriber(numbers, motor)
    with stream([numbers], RATE_HZ) as running:
        wait_until(lambda: running.count >= RATE_HZ // 2)
        motor.publish(DiagnosticStatus(level=DiagnosticStatus.WARN, message='warm'))
        wait_until(lambda: running.count >= 2 * RATE_HZ)
        fired_ns = time.time_ns()
        motor.publish(DiagnosticStatus(level=DiagnosticStatus.ERROR, message='hot'))
        motor.publish(DiagnosticStatus(level=DiagnosticStatus.ERROR, message='hot still'))
        wait_until(lambda: running.count >= 3 * RATE_HZ)
    bench.end(recorder)
    assert_covers(bench.numbers('/numbers'), running, fired_ns - 10**9, fired_ns + 5 * 10**8)
    assert 1.4 < span_s(bench.stored('/numbers')) <= 1.5
    states = [message.data for message in bench.stored('/motor')]
    assert len(states) == 2 and b'hot' in states[0] and b'hot still' in states[1]
    assert recorder.text().count('rule trouble (level == ERROR on /motor)') == 1
