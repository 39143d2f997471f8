"""The recorder in mode snapshot over real DDS: what is in the store once it is asked."""

import time

from diagnostic_msgs.msg import DiagnosticStatus
from pytest_ros import wait_until
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from twinsight_interfaces.msg import RecorderStatus
from twinsight_interfaces.srv import SetMission, TakeSnapshot

ONE = QoSProfile(depth=1)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
RATE_HZ = 100
S = 1_000_000_000


class Window:
    """
    What a snapshot has of messages that came one by one, by their numbers.

    The recorder opens it at a time that lies between two that the test knows (Unix ns). What
    certainly came in it has to be there, and nothing that certainly did not.
    """

    def __init__(self, passages, between_ns, before_ns, after_ns):
        early_ns, late_ns = between_ns
        self.surely, self.perhaps = set(), set()
        for number, (published_ns, acked_ns) in enumerate(passages):
            if late_ns - before_ns <= published_ns and acked_ns <= early_ns + after_ns:
                self.surely.add(number)
            if early_ns - before_ns <= acked_ns and published_ns <= late_ns + after_ns:
                self.perhaps.add(number)

    def __or__(self, other):
        both = Window((), (0, 0), 0, 0)
        both.surely, both.perhaps = self.surely | other.surely, self.perhaps | other.perhaps
        return both

    def has(self, numbers):
        return numbers == sorted(set(numbers)) and self.surely <= set(numbers) <= self.perhaps


def taken_until(messages, between_ns):
    """Return how many messages came before a time that lies between two."""
    return tuple(sum(m.receive_ns <= time_ns for m in messages) for time_ns in between_ns)


def test_nothing_is_stored_until_a_snapshot_is_asked_for(bench, steps):
    numbers, plan = bench.publisher('/numbers', qos=ONE), bench.publisher('/plan', String, LATCHED)
    plan.publish(String(data='the plan'))
    recorder = bench.start(mode='snapshot', **{
        'snapshot.duration': '2s', 'topics.include': '[/numbers, /plan]', 'chunk.max_age': '200ms',
    })
    bench.wait_for_subscriber(numbers, plan)

    def snapshot(**asked):
        answer = bench.do('snapshot', TakeSnapshot, **asked)
        return answer, (bench.ros.asked_ns, time.time_ns())

    with steps([numbers], RATE_HZ) as running:
        running.wait_until_after(time.time_ns() + 2 * S)
        wait_until(lambda: bench.topic('/numbers').received and bench.topic('/plan').received)
        assert bench.statuses[-1].mode == RecorderStatus.MODE_SNAPSHOT
        assert not bench.stored('/numbers') and not bench.stored('/plan')
        bench.do('set_mission', SetMission, mission_id='B')
        begun = bench.ros.asked_ns, time.time_ns()
        first, first_ns = snapshot(before_s=1.0, after_s=0.5)
        running.wait_until_after(first_ns[1] + S)  # the next reaches back less than this one
        came = running.count
        wait_until(lambda: bench.topic('/numbers').received >= came and not any(
            topic.waiting for topic in bench.statuses[-1].topics
        ))
        kept, kept_numbers = bench.stored('/numbers'), bench.numbers('/numbers')
        second, second_ns = snapshot()
    bench.wait_until_received('/numbers', running.count)
    bench.end(recorder)

    window = Window(running.passages, first_ns, S, S // 2)
    assert window.has(kept_numbers)
    assert kept[-1].receive_ns - kept[0].receive_ns <= 3 * S // 2
    assert first.message.endswith(' of the last 1.0 s, and what comes in the next 0.5 s')
    least, most = taken_until(kept, first_ns)
    assert least <= first.messages - 1 <= most  # + the plan
    [message] = bench.stored('/plan')
    assert b'the plan' in message.data

    # of the last 2 s, those that the first snapshot had are stored already
    there, later = bench.numbers('/numbers'), bench.stored('/numbers')[len(kept):]
    assert there[:len(kept)] == kept_numbers
    assert (window | Window(running.passages, second_ns, 2 * S, 0)).has(there)
    assert taken_until(later, second_ns)[0] <= second.messages <= len(later)
    assert second.message == f'{second.messages} messages of the last 2.0 s'
    of_a, of_b = (bench.numbers('/numbers', missions=(mission,)) for mission in 'AB')
    assert [*of_a, *of_b] == there
    assert all(running.passages[number].published_ns < begun[1] for number in of_a)
    assert all(running.passages[number].acked_ns > begun[0] for number in of_b)
    topic = bench.counts(recorder, '/numbers')
    assert topic.stored == len(there)
    assert topic.stored + topic.left_out == topic.received == running.count


def test_a_rule_takes_a_snapshot_by_itself(bench, steps, tmp_path):
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
    numbers = bench.publisher('/numbers', qos=ONE)
    motor = bench.publisher('/motor', DiagnosticStatus, ONE)
    recorder = bench.start('--params-file', str(file))
    bench.wait_for_subscriber(numbers, motor)

    def tell(level, message):
        return bench.deliver(DiagnosticStatus(level=level, message=message), motor)

    with steps([numbers], RATE_HZ) as running:
        warm = tell(DiagnosticStatus.WARN, 'warm')
        running.wait_until_after(warm.acked_ns + 3 * S // 2)
        hot = tell(DiagnosticStatus.ERROR, 'hot')
        still = tell(DiagnosticStatus.ERROR, 'hot still')
        recorder.wait_for('rule trouble (level == ERROR on /motor)')
        fired_ns = hot.published_ns, time.time_ns()
        running.wait_until_after(fired_ns[1] + S // 2)
    bench.end(recorder)
    assert Window(running.passages, fired_ns, S, S // 2).has(bench.numbers('/numbers'))
    stored = bench.stored('/numbers')
    assert stored[-1].receive_ns - stored[0].receive_ns <= 3 * S // 2
    words = (b'warm', b'hot\0', b'hot still')
    states = [[word in message.data for word in words].index(True)
              for message in bench.stored('/motor')]
    assert Window((warm, hot, still), fired_ns, S, S // 2).has(states) and 1 in states
    assert recorder.text().count('rule trouble (level == ERROR on /motor)') == 1
