"""Faults are seen in the messages, when they were ordered."""

import pytest

from twinsight_sim.faults import Fault, parse_fault

FAST = {'camera': 0, 'imu': 0, 'costmap': 0}


@pytest.mark.parametrize(('text', 'fault'), [
    ('obstacle_stop@10+5', Fault('obstacle_stop', 10_000_000_000, 15_000_000_000)),
    ('battery_drop@0.1', Fault('battery_drop', 100_000_000)),
    (' sensor_gap:scan@12+2 ', Fault('sensor_gap', 12_000_000_000, 14_000_000_000, 'scan')),
])
def test_faults_are_read(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize('text', [
    '', 'obstacle_stop', 'obstacle_stop@10', 'obstacle_stop@10+0', 'obstacle_stop@-1+5',
    'obstacle_stop:scan@1+1', 'battery_drop@20+5', 'battery_drop@x', 'sensor_gap@1+1',
    'sensor_gap:nose@1+1', 'sensor_gap:scan@1', 'fire@3', 'battery_drop@1e3',
])
def test_what_is_no_fault_is_refused(text):
    with pytest.raises(ValueError, match='is no fault'):
        parse_fault(text)


def changes(recording) -> list[tuple[float, str]]:
    states: list[tuple[float, str]] = []
    for at, message in recording.of('state'):
        if not states or states[-1][1] != message.data:
            states.append((at, message.data))
    return states


def test_without_faults_the_robot_drives(record):
    assert [state for _, state in changes(record(10, rates=FAST))] == ['IDLE', 'DRIVING']


def test_an_obstacle_stops_the_robot_until_it_is_gone(record):
    recording = record(12, faults='obstacle_stop@4+5', rates=FAST)
    states = changes(recording)
    assert [state for _, state in states] == ['IDLE', 'DRIVING', 'BLOCKED', 'DRIVING']
    stopped, away = states[2][0], states[3][0]
    assert 4.0 < stopped < 8.0
    assert away == pytest.approx(9.0, abs=0.011)
    speeds = {at: m.twist.twist.linear.x for at, m in recording.of('odom')}
    assert max(v for at, v in speeds.items() if at < 4.0) > 1.0
    assert max(v for at, v in speeds.items() if stopped + 0.02 < at < 8.99) == 0.0
    assert max(v for at, v in speeds.items() if at > 10.0) > 0.3
    before, during = (min(m.ranges[340:380]) for at, m in recording.of('scan')
                      if at in (3.9, 8.9))
    assert before > 2.0
    assert 0.9 < during < 1.1, 'about a metre of floor is left'


def test_an_obstacle_that_stays_is_an_error(record):
    recording = record(16, faults='obstacle_stop@3+12', rates=FAST)
    states = changes(recording)
    assert [state for _, state in states] == ['IDLE', 'DRIVING', 'BLOCKED', 'ERROR', 'DRIVING']
    assert states[3][0] - states[2][0] == pytest.approx(4.0)
    levels = {at: message.status[3].level for at, message in recording.of('diagnostics')}
    assert (levels[2.0], levels[14.0]) == (b'\x00', b'\x02')


def test_the_robot_brakes_no_harder_than_it_can(record):
    speeds = [m.twist.twist.linear.x for _, m in record(
        10, faults='obstacle_stop@4+5', rates=FAST).of('odom')]
    steps = [b - a for a, b in zip(speeds, speeds[1:], strict=False)]
    assert max(abs(step) for step in steps) < 0.95 / 50.0


def test_a_battery_drop_empties_the_battery(record):
    recording = record(30, faults='battery_drop@5', rates=FAST)
    charge = {at: message.percentage for at, message in recording.of('battery')}
    voltage = {at: message.voltage for at, message in recording.of('battery')}
    assert charge[0.0] - charge[5.0] < 0.01
    assert charge[5.0] - charge[10.0] == pytest.approx(0.25, abs=0.01)
    assert charge[29.0] < 0.15
    assert voltage[4.0] - voltage[20.0] > 4.0
    levels = [message.status[0].level for _, message in recording.of('diagnostics')]
    assert levels[0] == b'\x00'
    assert levels[-1] == b'\x02'


def test_with_a_low_battery_the_robot_charges_at_the_dock(record):
    recording = record(90, faults='battery_drop@5', rates={**FAST, 'scan': 0})
    assert 'CHARGING' in [state for _, state in changes(recording)]
    assert max(m.current for _, m in recording.of('battery')) > 0.0


@pytest.mark.parametrize(('sensor', 'keys'), [
    ('scan', ['scan']), ('camera', ['image', 'camera_info']), ('tf', ['tf']), ('imu', ['imu'])])
def test_a_gap_silences_one_sensor_for_its_time(record, sensor, keys):
    recording = record(4, faults=f'sensor_gap:{sensor}@1+2')
    for key in keys:
        times = [at for at, _ in recording.of(key)]
        assert max(at for at in times if at < 2.0) < 1.0
        assert min(at for at in times if at > 2.0) == 3.0
    times = [at for at, _ in recording.of('odom')]
    assert max(b - a for a, b in zip(times, times[1:], strict=False)) < 0.021


def test_diagnostics_tell_of_a_silent_lidar(record):
    recording = record(4, faults='sensor_gap:scan@1+2', rates=FAST)
    levels = {at: message.status[2].level for at, message in recording.of('diagnostics')}
    assert levels == {0.0: b'\x00', 1.0: b'\x03', 2.0: b'\x03', 3.0: b'\x00'}
