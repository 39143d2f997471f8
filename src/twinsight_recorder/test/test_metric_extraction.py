"""Which values of messages become samples, at which time, and what is counted."""

import math

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Quaternion, TransformStamped, TwistStamped
from nav_msgs.msg import Odometry
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import BatteryState, JointState
from std_msgs.msg import Bool, Float64, Header, Int64, String
from tf2_msgs.msg import TFMessage

from twinsight_recorder.metrics.functions import norm, pitch, roll, yaw
from twinsight_recorder.metrics.odometer import Odometer
from twinsight_recorder.metrics.rule_settings import MetricRuleSettings
from twinsight_recorder.metrics.rules import MetricRules
from twinsight_sim.body import quaternion
from twinsight_store.field_path import type_name
from twinsight_store.metrics.batch import decode, Delivery, encode
from twinsight_store.metrics.columns import SampleColumns

MS_NS, SECOND_NS = 1_000_000, 1_000_000_000


class Topic:
    """A topic /t under one rule; what it makes is gathered in ``samples``."""

    def __init__(self, cls, most_rows=1_000, **rule):
        self.problems = []
        rule.setdefault('metrics', {'value': {'field': 'data'}})
        self.rules = MetricRules(
            {'a': MetricRuleSettings(topics=('/t',), **rule)}, (), self.problems.append
        )
        self.columns = SampleColumns(self.rules.names, most_rows)
        self.extractor = self.rules.extractor('/t', type_name(cls))

    @property
    def counts(self):
        return self.columns.counts

    def see(self, message, receive_ns=0):
        self.extractor.take(serialize_message(message), receive_ns, self.columns)

    def samples(self):
        """Return (name, time, value or text) of all that was gathered, and begin anew."""
        batch = self.columns.sealed('robot_05', 'A')
        return [
            (batch.series[number].name, int(time_ns), batch.texts.get(row, float(value)))
            for row, (number, time_ns, value) in enumerate(
                zip(batch.numbers, batch.times, batch.values, strict=True)
            )
        ]

    def values(self):
        return [value for _, _, value in self.samples()]

    def after(self, *data):
        """Return the values that messages with such data make, a second apart."""
        cls = {bool: Bool, float: Float64, int: Int64, str: String}[type(data[0])]
        for second, each in enumerate(data):
            self.see(cls(data=each), second * SECOND_NS)
        return self.values()


@pytest.mark.parametrize('metric', [{}, {'scale': 1.5, 'offset': 0.0}, {'on_change': True}])
def test_of_a_hundred_messages_a_second_ten_are_taken(metric):
    topic = Topic(Float64, max_rate=10.0, metrics={'value': {'field': 'data', **metric}})
    for step in range(1000):
        topic.see(Float64(data=float(step)), step * 10 * MS_NS)
    times = [time_ns for _, time_ns, _ in topic.samples()]
    # A tenth of a period early is in time, so messages at 10 ms make it 90, 190, 290, ... ms.
    assert times == [0, *(step * 100 * MS_NS - 10 * MS_NS for step in range(1, 101))]
    assert (topic.counts.values, topic.counts.samples, topic.counts.rate_limited) == (
        1000, 101, 899)


def test_a_rate_between_those_of_two_metrics_is_kept_by_each():
    topic = Topic(JointState, max_rate=1.0, metrics={
        'slow': {'field': 'position[0]'}, 'fast': {'field': 'position[0]', 'max_rate': 4.0},
    })
    for step in range(80):
        topic.see(JointState(position=[1.0]), step * 125 * MS_NS)
    names = [name for name, _, _ in topic.samples()]
    assert (names.count('t.slow'), names.count('t.fast')) == (10, 40)
    assert topic.counts.rate_limited == 160 - 50


def test_on_change_stores_the_first_and_every_other_value():
    assert Topic(Bool, on_change=True).after(False, False, True, True, False) == [0.0, 1.0, 0.0]
    assert Topic(String, on_change=True).after('a', 'a', 'b', '', 'b') == ['a', 'b', '', 'b']
    nan = math.nan
    assert Topic(Float64, on_change=True).after(nan, nan, 1.0, nan) == ['NaN', 1.0, 'NaN']


def test_on_change_counts_what_it_leaves_out():
    topic = Topic(Bool, on_change=True)
    topic.after(True, True, True)
    assert (topic.counts.values, topic.counts.samples, topic.counts.unchanged) == (3, 1, 2)


def test_the_least_difference_counts_from_the_last_sample():
    topic = Topic(Float64, on_change=0.5)
    assert topic.after(1.0, 1.25, 1.499, 1.5, 1.9, 1.0, 0.51) == [1.0, 1.5, 1.0]


def test_a_change_while_the_rate_is_used_up_is_stored_when_it_may_be():
    topic = Topic(String, on_change=True, max_rate=1.0)
    for step, text in enumerate('abbbbbbbbbbbbbb'):
        topic.see(String(data=text), step * 100 * MS_NS)
    assert topic.samples() == [('t', 0, 'a'), ('t', 900 * MS_NS, 'b')]


def test_a_new_mission_has_what_is_stored_on_change_only():
    topic = Topic(String, on_change=True)
    assert topic.after('a', 'a') == ['a']
    topic.rules.forget()
    assert topic.after('a', 'a') == ['a']


def test_time_is_when_a_message_came_or_its_stamp():
    message = TwistStamped(header=Header(stamp=Time(sec=12, nanosec=345)))
    metrics = {'v': {'field': 'twist.linear.x'}}
    for time, expected in (('receive', 99), ('stamp', 12 * SECOND_NS + 345)):
        topic = Topic(TwistStamped, time=time, metrics=metrics)
        topic.see(message, 99)
        assert topic.samples() == [('t.v', expected, 0.0)]


def test_a_stamp_that_was_never_set_is_no_time():
    topic = Topic(TwistStamped, time='stamp', metrics={'v': {'field': 'twist.linear.x'}})
    topic.see(TwistStamped(), 99)
    assert topic.samples() == [('t.v', 99, 0.0)]


def test_nan_is_stored_or_stands_for_not_measured():
    metrics = {name: {'field': name} for name in ('voltage', 'temperature')}
    message = BatteryState(voltage=24.0, temperature=math.nan)
    stored, skipped = (Topic(BatteryState, nan=nan, metrics=metrics) for nan in ('store', 'skip'))
    stored.see(message)
    skipped.see(message)
    assert stored.samples() == [('t.voltage', 0, 24.0), ('t.temperature', 0, 'NaN')]
    assert skipped.samples() == [('t.voltage', 0, 24.0)]
    assert (stored.counts.altered, stored.counts.not_measured) == (1, 0)
    assert (skipped.counts.altered, skipped.counts.not_measured) == (0, 1)


def test_the_counts_add_up_whatever_happens():
    topic = Topic(BatteryState, most_rows=40, nan='skip', metrics={
        'voltage': {'field': 'voltage'}, 'temperature': {'field': 'temperature'},
        'present': {'field': 'present', 'on_change': True},
        'current': {'field': 'current', 'max_rate': 2.0},
    })
    for step in range(40):
        temperature = 20.0 if step % 3 else math.nan
        topic.see(BatteryState(temperature=temperature, present=step > 9), step * 100 * MS_NS)
    counts = topic.counts
    assert counts.values == 160 and counts.samples == len(topic.samples()) == 40
    assert min(counts.rate_limited, counts.unchanged, counts.not_measured, counts.dropped) > 0
    assert counts.values == (counts.samples + counts.rate_limited + counts.unchanged
                             + counts.not_measured + counts.dropped)


@pytest.mark.parametrize('value', [1.7e308, -1.7e308])
def test_numbers_whose_sum_is_too_large_are_stored_as_they_are(value):
    topic = Topic(JointState, metrics={name: {'field': f'position[{at}]'}
                                       for at, name in enumerate('ab')})
    topic.see(JointState(position=[value, value]))
    assert topic.values() == [value, value]
    assert topic.counts.altered == 0


def test_an_element_that_is_not_there_is_no_value():
    topic = Topic(JointState, metrics={
        'first': {'field': 'position[0]'}, 'last': {'field': 'position[7]'},
        'scaled': {'field': 'position[7]', 'scale': 2.0}, 'named': {'field': 'name[2]'},
    })
    topic.see(JointState(position=[4.0], name=['a']))
    assert topic.samples() == [('t.first', 0, 4.0)]
    assert topic.counts.values == 1


def test_of_an_element_that_is_not_there_nothing_is_made():
    field = 'yaw(transforms[child_frame_id=arm].transform.rotation)'
    topic = Topic(TFMessage, metrics={'yaw': {'field': field}})
    topic.see(TFMessage(transforms=[TransformStamped(child_frame_id='leg')]))
    topic.see(TFMessage(transforms=[TransformStamped(child_frame_id='arm')]))
    assert topic.values() == [0.0]


def test_values_are_scaled_and_shifted():
    topic = Topic(Float64, metrics={
        'value': {'field': 'data', 'scale': 1.8, 'offset': 32.0},
        'shifted': {'field': 'data', 'offset': -1.0},
    })
    assert topic.after(100.0) == [212.0, 99.0]


def test_whole_numbers_keep_their_digits():
    topic = Topic(Int64)
    topic.see(Int64(data=2**53 + 1))
    batch = topic.columns.sealed('robot_05', 'A')
    assert (batch.values.tolist(), batch.texts) == ([2.0**53], {0: '9007199254740993'})


def test_a_text_that_no_store_takes_is_altered_and_counted():
    topic = Topic(String)
    assert topic.after('x' * 5000) == ['x' * 4096 + '… (5000 characters)']
    assert topic.counts.altered == 1


def test_a_damaged_message_is_counted_and_told_once_and_the_rest_goes_on():
    topic = Topic(Odometry, metrics={'x': {'field': 'pose.pose.position.x'}})
    data = serialize_message(Odometry())
    for length in (0, 3, 4, 20, 27):
        topic.extractor.take(data[:length], 0, topic.columns)
    topic.extractor.take(data, 5, topic.columns)
    assert topic.samples() == [('t.x', 5, 0.0)]
    assert (topic.counts.messages, topic.counts.unreadable, topic.counts.values) == (6, 5, 1)
    [line] = topic.problems
    assert line.startswith('topic /t: a message cannot be read (not a nav_msgs/msg/Odometry')


def test_full_columns_drop_and_count():
    topic = Topic(JointState, most_rows=5, metrics={
        name: {'field': f'position[{at}]'} for at, name in enumerate('abc')})
    for step in range(3):
        topic.see(JointState(position=[1.0, 2.0, 3.0]), step)
    assert topic.samples() == [
        ('t.a', 0, 1.0), ('t.b', 0, 2.0), ('t.c', 0, 3.0), ('t.a', 1, 1.0), ('t.b', 1, 2.0)]
    assert (topic.counts.values, topic.counts.samples, topic.counts.dropped) == (9, 5, 4)
    topic.see(JointState(position=[1.0, 2.0, 3.0]), 9)
    assert len(topic.columns) == 3


def test_a_change_that_was_dropped_is_stored_later():
    topic = Topic(String, most_rows=1, on_change=True)
    assert topic.after('a', 'b') == ['a']
    assert topic.after('b') == ['b']


def test_columns_become_a_batch_that_travels():
    topic = Topic(JointState, metrics={
        'position': {'field': 'position[0]'}, 'name': {'field': 'name[0]'}})
    assert len(topic.columns.sealed('robot_05', 'A')) == 0
    topic.see(JointState(position=[1.5], name=['arm']), 7)
    facts = topic.rules.names.new_infos('robot_05')
    sent = topic.columns.sealed('robot_05', 'A', facts)
    batch = decode(encode(Delivery('robot_05/metrics/1', 1, sent))).batch
    assert [each.name for each in batch.series] == ['t.position', 't.name']
    assert {each[:2] for each in batch.series} == {('robot_05', 'A')}
    assert batch.times.tolist() == [7, 7]
    assert batch.values[0] == 1.5 and math.isnan(batch.values[1]) and batch.texts == {1: 'arm'}
    assert [info.name for info in batch.facts] == ['t.position', 't.name']


def test_a_batch_names_only_the_series_that_are_in_it():
    topic = Topic(JointState, metrics={
        name: {'field': f'position[{at}]'} for at, name in enumerate('abc')})
    topic.see(JointState(position=[1.0, 2.0, 3.0]))
    topic.samples()
    topic.see(JointState(position=[1.0]))
    assert [each.name for each in topic.columns.sealed('r', 'm').series] == ['t.a']


@pytest.mark.parametrize('rpy', [(0.0, 0.0, 3.1), (0.4, -0.7, -2.0), (-3.0, 1.5, 0.0)])
def test_angles_are_those_that_a_quaternion_was_made_of(rpy):
    made = quaternion(*rpy)
    assert (roll(*made), pitch(*made), yaw(*made)) == pytest.approx(rpy)
    longer = [2.0 * part for part in made]
    assert (roll(*longer), pitch(*longer), yaw(*longer)) == pytest.approx(rpy)


def test_what_points_straight_down_has_a_pitch_although_its_sine_is_rounded_above_1():
    assert pitch(-0.1, 0.7, 0.1, 0.7) == pytest.approx(math.pi / 2)


@pytest.mark.parametrize('number', [0.0, math.nan, math.inf])
def test_of_zeros_or_no_numbers_no_angle_is_known(number):
    assert all(math.isnan(angle(*[number] * 4)) for angle in (roll, pitch, yaw))


def test_the_norm_of_a_vector():
    assert norm(2.0, -3.0, 6.0) == 7.0


def position(x, y=0.0):
    message = Odometry()
    message.pose.pose.position = Point(x=x, y=y)
    message.pose.pose.orientation = Quaternion(w=1.0)
    return message


def driven(positions, gap_ns=20 * MS_NS, **rule):
    topic = Topic(Odometry, metrics={'d': {'field': 'distance(pose.pose.position)'}}, **rule)
    for step, x in enumerate(positions):
        topic.see(position(x), step * gap_ns)
    return topic.values()


def test_distance_adds_up_the_way_there_and_back():
    assert driven([5.0, 5.5, 6.0, 5.5]) == [0.0, 0.5, 1.0, 1.5]


def test_a_circle_has_its_circumference():
    odometer = Odometer(1.0)
    for step in range(1001):
        angle = 2.0 * math.pi * step / 1000
        odometer.see(math.cos(angle), math.sin(angle), 0.0, step * 20 * MS_NS)
    assert odometer.metres == pytest.approx(2.0 * math.pi, rel=1e-4)


def test_a_robot_that_stands_still_does_not_travel():
    assert driven([1.0, 1.0004, 0.9996, 1.0009, 1.0] * 20)[-1] == 0.0


def test_a_slow_robot_travels_although_every_step_is_small():
    assert driven([step * 0.0004 for step in range(1001)])[-1] == pytest.approx(0.4, abs=0.001)


@pytest.mark.parametrize(('step', 'gap_ns', 'metres'), [
    (0.99, 20 * MS_NS, 0.99), (1.01, 20 * MS_NS, 0.0),
    (1.99, 200 * MS_NS, 1.99), (2.01, 200 * MS_NS, 0.0), (9.0, SECOND_NS, 9.0),
])
def test_a_jump_is_no_way_but_a_gap_in_the_messages_is(step, gap_ns, metres):
    assert driven([0.0, step, step + 0.1], gap_ns)[-1] == pytest.approx(metres + 0.1)


def test_what_a_jump_is_can_be_set():
    assert driven([0.0, 3.0], largest_step=5.0) == [0.0, 3.0]


def test_a_limited_rate_does_not_shorten_the_way():
    there_and_back = [0.0, 0.5, 0.0, 0.5] * 25
    assert driven(there_and_back, max_rate=1.0) == [0.0, 22.5, 47.5]  # at 0, 0.9 and 1.9 s


def test_a_position_that_is_none_does_not_count():
    assert driven([0.0, math.nan, 0.5, math.inf, 1.0]) == [0.0, 0.0, 0.5, 0.5, 1.0]
