"""The options of the replay node, as the nodes see them that listen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
import signal
import statistics
from typing import Any, NamedTuple, TYPE_CHECKING

from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
import numpy as np
import pytest
from pytest_ros import wait_until
from rclpy.serialization import deserialize_message, serialize_message
from tf2_msgs.msg import TFMessage

from twinsight_interfaces.msg import ReplayJump, ReplayStatus
from twinsight_replay.ros_times import to_msg, to_ns
from twinsight_store.channel import Channel
from twinsight_store.history.message_channels import ALERTS, EVENTS, metric_channel
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect, PostgresSettings, URL_VARIABLE
from twinsight_store.history.sink import HistorySink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import ALERT_RAISED, Event
from twinsight_store.metrics.metric import Series

if TYPE_CHECKING:
    from conftest import Drive, MakeStored, Operator, Recorded

T0 = 1_700_000_000_000_000_000
MS, SECOND = 1_000_000, 1_000_000_000
HOUR = 3600 * SECOND
CLOCK, STATUS, JUMPED = '/clock', '/replay/status', '/replay/jumped'
MISSION = 'mission_42'


def test_a_loop_plays_the_part_again_and_tells_of_each_jump(
    operator: Operator, drive: Drive
) -> None:
    operator.watch(drive.odom)
    playing = operator.start(
        '--loop', '--start-offset', '500ms', '--duration', '0.4', '--rate', '2',
        '--topic', '/odom',
    )
    wait_until(lambda: operator.status.loop >= 2)
    operator.ask('stop')
    assert playing.end(30) == 0
    operator.settle(operator.has_finished)
    part = [str(number) for number in range(25, 46)]
    assert operator.texts('/odom')[:len(part) * 2] == part * 2
    first, second, *_ = operator.messages(JUMPED)
    for each in (first, second):
        assert (each.reason, each.backwards) == (ReplayJump.LOOP, True)
        assert to_ns(each.to_position) == drive.at_ns(25)
        assert to_ns(each.from_position) == drive.at_ns(45)


def test_as_fast_as_possible_everything_comes_in_order_and_the_clock_may_follow_a_topic(
    operator: Operator, drive: Drive
) -> None:
    operator.watch(*drive.channels)
    operator.play('--rate', 'inf', '--clock-topics', '/m*')
    topics = [each.topic for each in drive.channels]
    seen = operator.seen(*topics)
    assert len(seen) == len(drive.messages) == drive.count + 4
    for topic in topics:
        assert [padded(each.data) for each in seen if each.topic == topic] == [
            padded(data) for where, _, data in drive.messages if where.topic == topic
        ]
    middle = [each.topic for each in seen].index('/map', 3)
    assert seen[middle - 1].data == text_of(drive, 249)  # the second map is from then
    assert seen[-1].source_ns - seen[0].source_ns < 9 * SECOND  # ten were recorded
    assert operator.clock_ns() == [drive.at_ns(0), drive.at_ns(250)]


def test_an_offset_and_an_end_select_exactly_and_begin_with_what_was_latched(
    operator: Operator, drive: Drive
) -> None:
    operator.watch(*drive.channels)
    until = f'{drive.at_ns(280) / SECOND:.3f}'
    operator.play('--start-offset', '4.99', '--until', until, '--rate', 'inf')
    assert operator.texts('/odom') == [str(number) for number in range(250, 281)]
    assert operator.texts('/map') == ['map 0', 'map 1']
    assert operator.seen('/odom', '/map')[0].topic == '/map'


def test_without_latched_values_only_the_part_is_played(operator: Operator, drive: Drive) -> None:
    operator.watch(*drive.channels)
    operator.play('--start-offset', '6', '--rate', 'inf', '--no-latched')
    assert operator.texts('/odom') == [str(number) for number in range(300, drive.count)]
    assert operator.seen('/map', '/tf_static') == []


def test_the_clock_begins_after_the_delay_and_is_the_position(
    operator: Operator, drive: Drive
) -> None:
    delay_ns = 1_500 * MS
    operator.watch(drive.odom)
    playing = operator.start(
        '--delay', '1500ms', '--clock', '100', '--duration', '3s', '--topic', '/odom'
    )
    assert playing.end(60) == 0, playing.text()
    operator.settle(operator.has_finished)
    seen, clock = operator.seen('/odom'), operator.seen(CLOCK)
    statuses = operator.messages(STATUS)
    starting = [each for each in statuses if each.state == ReplayStatus.STARTING]
    begun = [each for each in statuses if each.state != ReplayStatus.STARTING]
    assert starting + begun == statuses and begun
    waited_ns = to_ns(starting[0].header.stamp) + delay_ns  # at least: it began to wait later
    assert to_ns(begun[0].header.stamp) > waited_ns
    assert seen[0].source_ns > waited_ns and clock[0].source_ns > waited_ns
    assert {to_ns(each.position) for each in starting} == {drive.start_ns}
    clock_ns = operator.clock_ns()
    assert clock_ns == sorted(clock_ns)
    assert drive.start_ns <= clock_ns[0] and clock_ns[-1] <= drive.at_ns(150)
    gaps_ns = [after.source_ns - before.source_ns for before, after in pairwise(clock)]
    assert statistics.median(gaps_ns) == pytest.approx(10 * MS, rel=0.2)
    assert clock_ns[-1] - clock_ns[0] > SECOND
    began_ns = statistics.median(
        each.source_ns - number * drive.step_ns for number, each in enumerate(seen)
    )
    late_ns = [
        abs(each.source_ns - began_ns - (position_ns - drive.start_ns))
        for each, position_ns in zip(clock, clock_ns, strict=True)
    ]
    assert statistics.median(late_ns) < 20 * MS


class Stamped(NamedTuple):
    """A second of messages with stamps, each of another age, and when they were received."""

    channels: list[Channel]
    messages: list[Recorded]


@pytest.fixture
def stamped(store: MakeStored, channel: Callable[..., Channel]) -> Stamped:
    odom = channel('/odom', 'nav_msgs/msg/Odometry')
    frames = channel('/tf', 'tf2_msgs/msg/TFMessage')
    made = Stamped([odom, frames], [])
    for number in range(40):
        receive_ns = T0 + number * 25 * MS
        message = Odometry(child_frame_id='base')
        message.header.stamp = to_msg(receive_ns - number * 333_333 - 7)
        message.pose.pose.position.x = number / 3
        made.messages.append((odom, receive_ns, serialize_message(message)))
        transforms = [TransformStamped(child_frame_id=f'wheel {each}') for each in range(3)]
        for age, transform in enumerate(transforms):
            transform.header.stamp = to_msg(receive_ns - age * 5 * MS)
        data = serialize_message(TFMessage(transforms=transforms))
        made.messages.append((frames, receive_ns + 3 * MS, data))
    store(made.messages)
    return made


def headers(message: Any) -> list[Any]:
    """Return all headers in a message."""
    transforms = getattr(message, 'transforms', None)
    return [message.header] if transforms is None else [each.header for each in transforms]


def test_to_the_present_all_stamps_move_alike_and_the_clock_is_told_before_each_message(
    operator: Operator, stamped: Stamped
) -> None:
    operator.watch(*stamped.channels)
    operator.play('--now', '--clock-topics-all')
    seen = operator.seen('/odom', '/tf', CLOCK)
    told = [each for each in seen if each.topic != CLOCK]
    shifts_ns = []
    for new, (where, _, data) in zip(told, stamped.messages, strict=True):
        kind = Odometry if where.topic == '/odom' else TFMessage
        message, recorded = deserialize_message(new.data, kind), deserialize_message(data, kind)
        shifts = set()
        for header, before in zip(headers(message), headers(recorded), strict=True):
            shifts.add(to_ns(header.stamp) - to_ns(before.stamp))
            header.stamp = before.stamp
        shifts_ns += shifts
        assert (new.topic, message) == (where.topic, recorded)
        assert seen[seen.index(new) - 1].topic == CLOCK
    assert operator.clock_ns() == [receive_ns for _, receive_ns, _ in stamped.messages]
    # One for all, but where the time stood because the next piece of three was not read yet.
    assert shifts_ns == sorted(shifts_ns) and len(set(shifts_ns)) <= 3
    late_ns = [
        new.source_ns - (receive_ns + shift_ns)
        for new, (_, receive_ns, _), shift_ns in zip(
            told, stamped.messages, shifts_ns, strict=True
        )
    ]
    assert min(late_ns) > -MS and statistics.median(late_ns) < 20 * MS


def test_two_robots_come_side_by_side_with_their_metrics_events_and_alerts(
    operator: Operator, store: MakeStored, channel: Callable[..., Channel],
    text: Callable[[object], bytes], postgres_url: str,
) -> None:
    odom, battery = channel('/odom'), metric_channel('battery.percentage')
    history = History(postgres_url)
    for robot, low in (('robot_05', 0.4), ('robot_07', 0.6)):
        store([(odom, T0 + n * 50 * MS, text(f'{robot} {n}')) for n in range(21)], robot)
        history.metric(robot, 'battery.percentage', [
            (T0 + n * 100 * MS, low - n / 100) for n in range(10)
        ])
        history.event(Event(robot, MISSION, T0 + 300 * MS, 'anomaly', 'info', f'{robot} odd', {}))
        history.event(Event(robot, MISSION, T0 + 500 * MS, ALERT_RAISED, 'warn', 'low', {
            'rule': 'battery_low', 'metric': 'battery.percentage', 'value': low, 'text': None,
            'raised_ns': T0 + 500 * MS,
        }))
        operator.watch(odom, battery, EVENTS, ALERTS, prefix=f'/{robot}')
    operator.play(**{URL_VARIABLE: postgres_url})
    for robot, low in (('robot_05', 0.4), ('robot_07', 0.6)):
        assert operator.texts(f'/{robot}/odom') == [f'{robot} {n}' for n in range(21)]
        metrics = operator.messages(f'/{robot}{battery.topic}')
        assert [each.value for each in metrics] == pytest.approx(
            [low - n / 100 for n in range(10)]
        )
        assert {(each.robot_id, each.mission_id, each.name) for each in metrics} == {
            (robot, MISSION, 'battery.percentage')
        }
        assert [to_ns(each.header.stamp) - T0 for each in metrics] == [
            n * 100 * MS for n in range(10)
        ]
        assert [
            (each.kind, each.severity, each.message)
            for each in operator.messages(f'/{robot}/events')
        ] == [('anomaly', 0, f'{robot} odd'), (ALERT_RAISED, 1, 'low')]
        [alert] = operator.messages(f'/{robot}/alerts')
        assert (alert.rule, alert.active, alert.value) == ('battery_low', True, low)
        order = [
            each.topic for each in operator.seen(f'/{robot}/odom', f'/{robot}/events')
        ]
        odometry, [event, _] = [f'/{robot}/odom'] * 21, [f'/{robot}/events'] * 2
        assert order == [*odometry[:7], event, *odometry[7:11], event, *odometry[11:]]

    playing = operator.start('--no-metrics', '--stay', **{URL_VARIABLE: postgres_url})
    wait_until(lambda: len(operator.seen('/robot_07/odom')) == 42)
    # Until it is known that the first replay has gone, its topics are counted too.
    wait_until(lambda: operator.node.count_publishers('/robot_07/odom') == 1)
    wait_until(lambda: not any(
        operator.node.count_publishers(f'/robot_07{topic}')
        for topic in (battery.topic, '/events', '/alerts')
    ))
    assert playing.end(30, ask=signal.SIGINT) == 0


def test_missions_of_a_robot_begin_together(
    operator: Operator, store: MakeStored, channel: Callable[..., Channel],
    text: Callable[[object], bytes],
) -> None:
    odom = channel('/odom')
    for mission, begin_ns in (('before', T0), ('after', T0 + HOUR)):
        store([(odom, begin_ns + n * 50 * MS, text(n)) for n in range(21)], 'robot_05', mission)
        operator.watch(odom, prefix=f'/robot_05/{mission}')
    operator.play('--align', 'start', '--clock-topics-all')
    before, after = (operator.seen(f'/robot_05/{each}/odom') for each in ('before', 'after'))
    assert [each.data for each in before] == [each.data for each in after]
    assert len(before) == 21
    in_order = sorted(before + after, key=lambda each: each.source_ns)
    assert in_order == [each for both in zip(before, after, strict=True) for each in both]
    apart_ns = [
        other.source_ns - one.source_ns for one, other in zip(before, after, strict=True)
    ]
    assert statistics.median(apart_ns) < 10 * MS
    assert sorted(set(operator.clock_ns())) == [T0 + n * 50 * MS for n in range(21)]


class History:
    """A database, filled as the recorders fill it."""

    def __init__(self, url: str) -> None:
        self._settings = PostgresSettings(url)
        self._numbers = iter(range(1000))
        with connect(self._settings) as connection:
            migrate(connection)

    def metric(self, robot: str, name: str, samples: list[tuple[int, float]]) -> None:
        times_ns, values = zip(*samples, strict=True)
        self._deliver(robot, MetricBatch(
            [Series(robot, MISSION, name)], np.array(times_ns),
            np.zeros(len(samples), np.uint32), np.array(values), {},
        ))

    def event(self, event: Event) -> None:
        self._deliver(event.robot_id, MetricBatch(facts=[event]))

    def _deliver(self, robot: str, batch: MetricBatch) -> None:
        with closing(HistorySink(self._settings)) as sink:
            sink.write([Delivery(robot, next(self._numbers), batch)])


def padded(data: bytes) -> bytes:
    """Return a message as every DDS has it on the wire."""
    return data + bytes(-len(data) % 4)


def text_of(drive: Drive, number: int) -> bytes:
    return drive.messages[4 + number][2]
