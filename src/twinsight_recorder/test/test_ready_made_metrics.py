"""What becomes of the messages of common types where the user has no rule."""

import math

from action_msgs.msg import GoalInfo, GoalStatus, GoalStatusArray
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import (
    Point,
    Pose,
    PoseStamped,
    PoseWithCovariance,
    PoseWithCovarianceStamped,
    Quaternion,
    Twist,
    TwistStamped,
    Vector3,
)
from nav_msgs.msg import Odometry
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import BatteryState, Imu, NavSatFix, NavSatStatus
from std_msgs import msg as std
from std_msgs.msg import Header
from unique_identifier_msgs.msg import UUID

from twinsight_recorder.metrics.ready_made import ALL, READY_MADE
from twinsight_recorder.metrics.rules import MetricRules
from twinsight_sim.battery import Battery, CAPACITY
from twinsight_sim.drive import Motion
from twinsight_sim.drive import Pose as Place
from twinsight_sim.health import diagnostics
from twinsight_sim.messages import GRAVITY, Messages
from twinsight_sim.robot import Robot
from twinsight_sim.route import Route
from twinsight_sim.world import WAYPOINTS
from twinsight_store.field_path import type_name
from twinsight_store.metrics.columns import SampleColumns

MOTION = Motion(Place(3.0, 4.0, 0.5), Place(1.0, -2.0, 2.5), 1.2, 0.3, -0.25)
QUARTER = Quaternion(z=math.sin(math.pi / 4), w=math.cos(math.pi / 4))
POSE = Pose(position=Point(x=1.0, y=2.0, z=3.0), orientation=QUARTER)
TWIST = Twist(linear=Vector3(x=1.0, y=0.5), angular=Vector3(z=-0.25))


class Robot05:
    """Takes metrics of messages with nothing but the ready-made rules."""

    def __init__(self):
        self.problems = []
        self.rules = MetricRules({}, ALL, self.problems.append, '/robot_05')
        self.columns = SampleColumns(self.rules.names)
        self.extractors = {}

    def take(self, topic, data, cls, receive_ns=1_000):
        """Return name → value or text of the samples of a message."""
        if topic not in self.extractors:
            assert self.rules.wants(topic, type_name(cls))
            self.extractors[topic] = self.rules.extractor(topic, type_name(cls))
        self.extractors[topic].take(data, receive_ns, self.columns)
        batch = self.columns.sealed('robot_05', 'A')
        assert set(batch.times.tolist()) <= {receive_ns}
        return {
            batch.series[number].name: batch.texts.get(row, float(batch.values[row]))
            for row, number in enumerate(batch.numbers)
        }

    def see(self, topic, message, receive_ns=1_000):
        return self.take(topic, serialize_message(message), type(message), receive_ns)

    def units(self):
        return {info.name: info.unit for info in self.rules.names.new_infos('robot_05')}


@pytest.fixture
def robot():
    return Robot05()


@pytest.fixture
def sim():
    messages = Messages('', None)
    messages.start_ns = 1_700_000_000_000_000_000
    return messages


def test_odometry(robot, sim):
    assert robot.take('/robot_05/odom', sim.odom(0, MOTION, (1.0, 1.0)), Odometry) == {
        'odom.x': 1.0, 'odom.y': -2.0, 'odom.z': 0.0, 'odom.yaw': pytest.approx(2.5),
        'odom.vx': 1.2, 'odom.vy': 0.0, 'odom.yaw_rate': 0.3, 'odom.distance': 0.0,
    }
    assert robot.units() == {
        'odom.x': 'm', 'odom.y': 'm', 'odom.z': 'm', 'odom.yaw': 'rad', 'odom.vx': 'm/s',
        'odom.vy': 'm/s', 'odom.yaw_rate': 'rad/s', 'odom.distance': 'm',
    }


def test_imu(robot, sim):
    noise = [0.01, 0.02, 0.03, 0.1, 0.2, 0.3, 0.0]
    data = sim.imu(0, MOTION, noise)
    assert robot.take('/robot_05/imu/data', data, Imu) == pytest.approx({
        'imu/data.angular_velocity_x': 0.01, 'imu/data.angular_velocity_y': 0.02,
        'imu/data.angular_velocity_z': 0.33, 'imu/data.linear_acceleration_x': -0.15,
        'imu/data.linear_acceleration_y': 1.2 * 0.3 + 0.2,
        'imu/data.linear_acceleration_z': GRAVITY + 0.3,
        'imu/data.roll': 0.0, 'imu/data.pitch': 0.0, 'imu/data.yaw': 0.5,
    })
    assert robot.units()['imu/data.linear_acceleration_x'] == 'm/s^2'


def test_an_imu_without_orientation_has_no_angles(robot):
    message = Imu(orientation=Quaternion(w=0.0), angular_velocity=Vector3(x=1.0))
    found = robot.see('/robot_05/imu', message)
    assert found['imu.angular_velocity_x'] == 1.0
    assert not {'imu.roll', 'imu.pitch', 'imu.yaw'} & set(found)
    assert robot.columns.counts.not_measured == 3


def test_battery(robot, sim):
    battery = Battery(0.5)
    battery.step(1.0, 2.0, False, False)
    message = sim.battery(0, battery)
    found = robot.see('/robot_05/battery_state', message)
    assert found == pytest.approx({
        'battery_state.voltage': battery.voltage, 'battery_state.current': battery.current,
        'battery_state.percentage': battery.charge, 'battery_state.capacity': CAPACITY,
        'battery_state.charge': battery.charge * CAPACITY,
        'battery_state.power_supply_status': BatteryState.POWER_SUPPLY_STATUS_DISCHARGING,
        'battery_state.power_supply_health': BatteryState.POWER_SUPPLY_HEALTH_GOOD,
        'battery_state.present': 1.0,
    }, rel=1e-6)  # and no temperature: it was not measured
    message.power_supply_status = BatteryState.POWER_SUPPLY_STATUS_CHARGING
    changed = set(robot.see('/robot_05/battery_state', message))
    assert changed == set(found) - {
        'battery_state.present', 'battery_state.power_supply_health'
    }
    units = robot.units()
    assert [units[f'battery_state.{name}'] for name in (
        'voltage', 'current', 'percentage', 'charge', 'capacity', 'temperature'
    )] == ['V', 'A', '', 'Ah', 'Ah', 'degC']


def test_a_battery_temperature_that_was_measured(robot):
    found = robot.see('/robot_05/battery', BatteryState(temperature=31.5))
    assert found['battery.temperature'] == 31.5


def test_a_fix(robot):
    fix = NavSatFix(
        latitude=48.1, longitude=11.5, altitude=math.nan,
        status=NavSatStatus(status=NavSatStatus.STATUS_SBAS_FIX),
    )
    assert robot.see('/robot_05/gps/fix', fix) == {
        'gps/fix.latitude': 48.1, 'gps/fix.longitude': 11.5, 'gps/fix.status': 1.0,
    }
    assert robot.see('/robot_05/gps/fix', fix) == {
        'gps/fix.latitude': 48.1, 'gps/fix.longitude': 11.5,
    }
    units = robot.units()
    assert (units['gps/fix.latitude'], units['gps/fix.altitude']) == ('deg', 'm')


@pytest.mark.parametrize('message', [
    PoseStamped(pose=POSE), PoseWithCovarianceStamped(pose=PoseWithCovariance(pose=POSE)),
], ids=['PoseStamped', 'PoseWithCovarianceStamped'])
def test_a_pose(robot, message):
    assert robot.see('/robot_05/pose', message) == {
        'pose.x': 1.0, 'pose.y': 2.0, 'pose.yaw': pytest.approx(math.pi / 2)
    }
    assert robot.units() == {'pose.x': 'm', 'pose.y': 'm', 'pose.yaw': 'rad'}


@pytest.mark.parametrize('message', [TWIST, TwistStamped(twist=TWIST)],
                         ids=['Twist', 'TwistStamped'])
def test_a_twist(robot, message):
    assert robot.see('/robot_05/cmd_vel', message) == {
        'cmd_vel.vx': 1.0, 'cmd_vel.vy': 0.5, 'cmd_vel.yaw_rate': -0.25
    }
    assert robot.units()['cmd_vel.yaw_rate'] == 'rad/s'


@pytest.mark.parametrize(('kind', 'data', 'stored'), [
    ('Bool', True, 1.0), ('Bool', False, 0.0), ('String', 'DRIVING', 'DRIVING'),
    ('Float32', 0.5, 0.5), ('Float64', -1e300, -1e300),
    ('Int8', -128, -128.0), ('Int16', -32768, -32768.0), ('Int32', -2**31, -2.0**31),
    ('Int64', -2**53, -2.0**53), ('UInt8', 255, 255.0), ('UInt16', 65535, 65535.0),
    ('UInt32', 2**32 - 1, 2.0**32 - 1), ('UInt64', 7, 7.0),
    ('UInt64', 2**64 - 1, '18446744073709551615'), ('Int64', -2**53 - 1, '-9007199254740993'),
    ('Float64', math.nan, 'NaN'), ('Float32', -math.inf, '-Infinity'),
])
def test_a_single_value(robot, kind, data, stored):
    message = getattr(std, kind)(data=data)
    assert robot.see('/robot_05/a/value', message) == {'a/value': stored}


def test_diagnostics_of_the_simulated_robot(robot):
    machine = Robot(Route(WAYPOINTS), (), 0.5, (1.0, 1.0))
    found = robot.see('/robot_05/diagnostics', diagnostics(Header(), machine, True))
    assert found == {
        'diagnostics.battery.level': 0.0, 'diagnostics.battery.message': 'ok',
        'diagnostics.battery.voltage': float(f'{machine.battery.voltage:.2f}'),
        'diagnostics.battery.percentage': 0.5, 'diagnostics.battery.current': 0.0,
        'diagnostics.motors.level': 0.0, 'diagnostics.motors.message': 'ok',
        'diagnostics.motors.temperature': 24.0, 'diagnostics.motors.current': 0.0,
        'diagnostics.lidar.level': 3.0, 'diagnostics.lidar.message': 'no data',
        'diagnostics.navigation.level': 0.0, 'diagnostics.navigation.message': 'ok',
        'diagnostics.navigation.state': 'IDLE',
    }


def status(name, **values):
    return DiagnosticStatus(
        name=name, values=[KeyValue(key=key, value=value) for key, value in values.items()]
    )


@pytest.mark.parametrize(('text', 'stored'), [
    ('12', 12.0), ('-1.50', -1.5), (' 3.5 ', 3.5), ('1e3', 1000.0), ('.5', 0.5), ('+2.', 2.0),
    ('', ''), ('on', 'on'), ('3.5 V', '3.5 V'), ('nan', 'nan'), ('inf', 'inf'),
    ('1e999', '1e999'), ('1_000', '1_000'), ('0x10', '0x10'), ('9' * 41, '9' * 41),
    ('True', 'True'), ('١', '١'), ('18446744073709551615', '18446744073709551615'),
])
def test_a_diagnostic_value_is_a_number_where_its_text_is_one(robot, text, stored):
    found = robot.see('/robot_05/diagnostics', DiagnosticArray(status=[status('a', key=text)]))
    assert found['diagnostics.a.key'] == stored


def test_statuses_and_keys_that_appear_later_become_metrics_too(robot):
    robot.see('/robot_05/diagnostics', DiagnosticArray(status=[status('a', x='1')]))
    later = DiagnosticArray(status=[status('b'), status('a', y='2')])
    found = robot.see('/robot_05/diagnostics', later)
    assert found == {
        'diagnostics.b.level': 0.0, 'diagnostics.b.message': '',
        'diagnostics.a.level': 0.0, 'diagnostics.a.message': '', 'diagnostics.a.y': 2.0,
    }


def test_names_of_statuses_become_usable_ones(robot):
    found = robot.see('/robot_05/diagnostics', DiagnosticArray(status=[status(' arm:\tleft ')]))
    name = 'diagnostics.arm:\ufffdleft'
    assert list(found) == [f'{name}.level', f'{name}.message']


def test_a_node_that_makes_up_names_does_not_fill_the_store(robot):
    many = [status(f'pid {number}') for number in range(600)]
    found = robot.see('/robot_05/diagnostics', DiagnosticArray(status=many))
    assert len(found) == 1000
    assert robot.columns.counts.dropped == 200
    again = robot.see('/robot_05/diagnostics', DiagnosticArray(status=many))
    assert list(again) == list(found)
    assert robot.columns.counts.dropped == 400
    [line] = robot.problems
    assert line.startswith('topic /robot_05/diagnostics: more than 1000 different statuses')


def goal(number, state, seconds):
    info = GoalInfo(stamp=Time(sec=seconds))
    info.goal_id = UUID(uuid=[number] * 16)
    return GoalStatus(goal_info=info, status=state)


def test_an_action_has_the_state_of_its_newest_goal_when_it_changes(robot):
    topic = '/robot_05/navigate_to_pose/_action/status'
    done, running = goal(1, GoalStatus.STATUS_SUCCEEDED, 10), goal(2, 2, 20)

    def see(*goals):
        return robot.see(topic, GoalStatusArray(status_list=list(goals)))

    assert see() == {}
    executing = {'navigate_to_pose.state': 'EXECUTING', 'navigate_to_pose.status': 2.0}
    succeeded = {'navigate_to_pose.state': 'SUCCEEDED', 'navigate_to_pose.status': 4.0}
    assert see(running, done) == executing
    assert see(done, running) == {}
    assert see(done, goal(2, 4, 20)) == succeeded
    assert see() == {}
    assert see(goal(3, 4, 30)) == succeeded  # another goal, that nobody saw running
    counts = robot.columns.counts
    assert (counts.values, counts.samples, counts.unchanged) == (8, 6, 2)


def test_all_types_have_a_test():
    tested = {
        Odometry, Imu, BatteryState, NavSatFix, PoseStamped, PoseWithCovarianceStamped, Twist,
        TwistStamped,
        *(getattr(std, f'{sign}Int{bits}') for sign in ('', 'U') for bits in (8, 16, 32, 64)),
        std.Float32, std.Float64, std.Bool, std.String,
    }
    types = {rule.type for rule in READY_MADE.values() if rule.kind == 'fields'}
    assert types == {type_name(cls) for cls in tested}
