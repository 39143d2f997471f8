"""The same seed and start give the same bytes; times are exact."""

from collections import Counter

import pytest

from twinsight_sim.schedule import Schedule

FAULTS = ['obstacle_stop@2+2', 'battery_drop@1', 'sensor_gap:odom@1+1']


def test_same_seed_and_start_give_the_same_bytes(record):
    assert record(5, seed=7, faults=FAULTS).sent == record(5, seed=7, faults=FAULTS).sent


@pytest.mark.parametrize('key', ['imu', 'scan', 'odom', 'battery'])
def test_another_seed_gives_other_bytes(record, key):
    one, other = record(5, seed=7), record(5, seed=8)
    assert [m for _, m in one.of(key)] != [m for _, m in other.of(key)]


def test_another_start_moves_stamps_only(record):
    early, late = record(1, start_ns=1_000_000_005), record(1, start_ns=9_000_000_000)
    for (_, a), (_, b) in zip(early.of('scan'), late.of('scan'), strict=True):
        assert a.ranges == b.ranges
        assert a.header.stamp.sec + 8 == b.header.stamp.sec
        assert a.header.stamp.nanosec == b.header.stamp.nanosec + 5


def test_silencing_one_sensor_leaves_the_others_alone(record):
    whole, gap = record(2), record(2, faults='sensor_gap:imu@0.5+1')
    for key in ('scan', 'odom', 'image'):
        assert whole.of(key) == gap.of(key)


def test_counts_over_simulated_time_are_exact(record):
    counts = Counter(item.key for item in record(10).sent)
    states = counts.pop('state')
    assert counts == {
        'map': 1, 'tf_static': 1, 'description': 1, 'tf': 500, 'odom': 500, 'imu': 2000,
        'scan': 100, 'image': 300, 'camera_info': 300, 'costmap': 20, 'battery': 10,
        'diagnostics': 10,
    }
    assert states == 10 + 1  # one a second, and the change to DRIVING


def test_rates_can_be_set_and_switched_off(record):
    counts = Counter(item.key for item in record(
        4, rates={'camera': 0, 'imu': 12.5, 'scan': 40}).sent)
    assert counts['imu'] == 50
    assert counts['scan'] == 160
    assert 'image' not in counts
    assert 'camera_info' not in counts


def test_messages_come_in_order_of_time(record):
    due = [item.due_ns for item in record(2).sent]
    assert due == sorted(due)


def test_a_period_that_is_no_whole_number_does_not_drift():
    schedule = Schedule({'camera': 30.0})
    for _ in range(30 * 3600):
        schedule.pop()
    assert schedule.due_ns() == 3600 * 1_000_000_000


def test_stamps_are_start_plus_simulation_time(record):
    for at, message in record(1, start_ns=5_999_999_999).of('image'):
        stamp_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        assert stamp_ns == 5_999_999_999 + round(at * 1_000_000_000)
