"""A simulated robot whose truth is known: the stores hold it, sample for sample."""

from collections import defaultdict
import json
import math

from nav_msgs.msg import OccupancyGrid
import numpy as np
from rclpy.serialization import deserialize_message
import redis
from sensor_msgs.msg import Imu
from std_msgs.msg import String

from twinsight_sim.battery import CAPACITY
from twinsight_sim.settings import SimSettings
from twinsight_sim.simulation import Simulation

SEED = 7
DURATION_S = 8
RATES = {
    'camera': 0, 'scan': 0, 'costmap': 0, 'odom': 20, 'tf': 20, 'imu': 50, 'battery': 4,
    'diagnostics': 4,
}
"""So few that all of them wait in DDS while the recorder does not get to run for seconds."""

FAULTS = 'battery_drop@2,obstacle_stop@1+4.5,sensor_gap:imu@5+1'
RULES = {
    'base': {'kind': 'tf', 'parent': 'map', 'child': 'base_link', 'rate': 1e6},
    'stamped': {
        'topics': ['/odom'], 'name': 'odom_stamped', 'time': 'stamp', 'with_ready_made': True,
        'metrics': {'x': {'field': 'pose.pose.position.x'}},
    },
}
TOPICS = {
    '/odom': 'odom.x', '/tf': 'base.x', '/imu/data': 'imu/data.yaw', '/state': 'state',
    '/battery_state': 'battery_state.voltage', '/diagnostics': 'diagnostics.lidar.level',
}
"""Of each topic one metric that has a sample of every message."""

ON_CHANGE = {
    'battery_state.present': 1.0, 'battery_state.power_supply_status': 2.0,
    'battery_state.power_supply_health': 1.0,
}
"""What the battery says all the time; it is stored once."""

ANGLES = ('base.yaw', 'odom.yaw', 'imu/data.yaw', 'imu/data.roll', 'imu/data.pitch')


def odom(robot, motion, _):
    x, y, yaw = motion.odometry
    speed, yaw_rate = motion.speed * robot.drive.slip[0], motion.yaw_rate * robot.drive.slip[1]
    return {
        'odom.x': x, 'odom.y': y, 'odom.z': 0.0, 'odom.yaw': yaw, 'odom.vx': speed,
        'odom.vy': 0.0, 'odom.yaw_rate': yaw_rate, 'odom_stamped.x': x,
    }


def tf(robot, motion, _):
    x, y, yaw = motion.pose
    return {'base.x': x, 'base.y': y, 'base.z': 0.0, 'base.yaw': yaw}


def imu(robot, motion, message):
    made = deserialize_message(message, Imu)  # the simulation makes noise of its own
    found = {'imu/data.roll': 0.0, 'imu/data.pitch': 0.0}
    found['imu/data.yaw'] = 2.0 * math.atan2(made.orientation.z, made.orientation.w)
    for field in ('angular_velocity', 'linear_acceleration'):
        for axis in 'xyz':
            found[f'imu/data.{field}_{axis}'] = getattr(getattr(made, field), axis)
    return found


def battery(robot, motion, _):
    truth = {
        'voltage': robot.battery.voltage, 'current': robot.battery.current,
        'percentage': robot.battery.charge, 'charge': robot.battery.charge * CAPACITY,
        'capacity': CAPACITY,
    }
    return {f'battery_state.{name}': float(np.float32(one)) for name, one in truth.items()}


def state(robot, motion, _):
    return {'state': robot.state}


def diagnostics(robot, motion, _):
    blocked = robot.state == 'BLOCKED'
    load = -robot.battery.current
    truth = {
        'battery.level': 0.0, 'battery.message': 'ok',
        'battery.voltage': round(robot.battery.voltage, 2),
        'battery.percentage': round(robot.battery.charge, 3), 'battery.current': round(-load, 2),
        'motors.level': 0.0, 'motors.message': 'ok',
        'motors.temperature': round(robot.motor_temperature, 1), 'motors.current': round(load, 2),
        'lidar.level': 0.0, 'lidar.message': 'ok',
        'navigation.level': float(blocked), 'navigation.state': robot.state,
        'navigation.message': 'obstacle ahead' if blocked else 'ok',
    }
    return {f'diagnostics.{name}': one for name, one in truth.items()}


SENSORS = {
    'odom': odom, 'tf': tf, 'imu': imu, 'battery': battery, 'state': state,
    'diagnostics': diagnostics,
}


def truth(start_ns):
    """Return of each metric its samples: times by the simulation's clock (Unix ns), values."""
    settings = SimSettings(seed=SEED, duration=DURATION_S, faults=FAULTS, rates=RATES)
    simulation = Simulation(settings)
    simulation.start(start_ns)
    found = defaultdict(list)
    while (sim_ns := simulation.due_ns()) < DURATION_S * 10**9:
        for key, message in simulation.tick():
            motion = simulation.robot.motion_at(sim_ns)
            for name, value in SENSORS[key](simulation.robot, motion, message).items():
                found[name].append((start_ns + sim_ns, value))
    for name, value in ON_CHANGE.items():
        found[name] = [(start_ns, value)]
    found['odom.distance'] = distances(found['odom.x'], found['odom.y'])
    return found


def distances(xs, ys):
    """Return the way that was travelled, of steps of at least a millimetre."""
    metres, (x, y), found = 0.0, (xs[0][1], ys[0][1]), []
    for (time_ns, to_x), (_, to_y) in zip(xs, ys, strict=True):
        step = math.hypot(to_x - x, to_y - y)
        if step >= 0.001:
            metres, x, y = metres + step, to_x, to_y
        found.append((time_ns, metres))
    return found


class Stored:
    """
    What the stores hold of a run that has ended.

    table   of each metric its samples, (Unix us, value), in the order of time
    stream  the same of Redis, (Unix ns, value), in the order of the stream
    """

    def __init__(self, metrics):
        self.table, self.stream = defaultdict(list), defaultdict(list)
        for name, time_us, value, text in metrics.rows(
            'SELECT name, (extract(epoch FROM time) * 1000000)::bigint, value, text '
            'FROM metric ORDER BY time'
        ):
            self.table[name].append((time_us, value if text is None else text))
        with redis.Redis.from_url(metrics.redis_url) as client:
            for _, fields in client.xrange('twinsight:metrics:robot_05'):
                entry = json.loads(fields[b'data'])
                for name, value in entry['values'].items():
                    self.stream[name].append((entry['time_ns'], value))
        self.latest = metrics.latest()


def drive(metrics, ledger):
    """Let the robot drive with a recorder beside it; return the recorder's last status."""
    for topic, kind in (('/map', OccupancyGrid), ('/robot_description', String)):
        metrics.node.create_subscription(kind, topic, id, 1)  # the robot waits for all of them
    recorder = metrics.start(settings={'rules': RULES})
    rates = [word for name, rate in RATES.items() for word in ('-p', f'rates.{name}:={rate:.1f}')]
    robot = metrics.ros.start(
        'twinsight_sim', 'sim_robot', '--ros-args', '-p', f'seed:={SEED}', '-p',
        f'duration:={DURATION_S}', '-p', f'faults:="{FAULTS}"', '-p', f'ledger:={ledger}',
        '-p', 'wait_for_subscribers:=30', *rates,
    )
    assert robot.end(60) == 0, robot.text()
    assert 'no subscriber' not in robot.text()
    return metrics.last_status(recorder)


def values(samples):
    return [value for _, value in samples]


def times(samples):
    return [time for time, _ in samples]


def assert_values(name, found, wanted):
    assert len(found) == len(wanted), name
    if name in ANGLES:
        turns = (np.array(found) - np.array(wanted)) / (2.0 * math.pi)
        np.testing.assert_allclose(turns - np.round(turns), 0.0, atol=1e-9, err_msg=name)
    elif name.startswith('base.'):
        np.testing.assert_allclose(found, wanted, rtol=0.0, atol=1e-9, err_msg=name)
    else:
        assert found == wanted, name


def test_the_stores_hold_the_truth_of_a_robot_sample_for_sample(metrics, tmp_path):
    status = drive(metrics, tmp_path / 'ledger')
    *published, ledger = map(json.loads, (tmp_path / 'ledger').read_text().splitlines())
    start_ns, counts = ledger['start_ns'], ledger['totals']
    true, stored = truth(start_ns), Stored(metrics)

    # the robot did something: it drove, stood before an obstacle, and used its battery
    assert {'IDLE', 'DRIVING', 'BLOCKED'} == set(values(true['state']))
    assert max(values(true['odom.x'])) > 1.0
    assert len(set(values(true['battery_state.percentage']))) == 4 * DURATION_S

    assert stored.table.keys() == stored.stream.keys() == stored.latest.keys() == true.keys()
    for name, samples in true.items():
        assert_values(name, values(stored.table[name]), values(samples))
        # database and Redis: the same samples, at the same times
        assert [(ns // 1000, value) for ns, value in stored.stream[name]] == stored.table[name]
        latest = stored.latest[name]
        value = latest['value'] if latest['text'] is None else latest['text']
        assert (latest['time_ns'], value) == stored.stream[name][-1]

    for topic, name in TOPICS.items():
        assert len(true[name]) == counts[topic]['count']
        sent_us = [each['publish_ns'] // 1000 for each in published if each['topic'] == topic]
        received_us = times(stored.table[name])
        assert received_us == sorted(set(received_us))
        assert all(sent <= got for sent, got in zip(sent_us, received_us, strict=True))
    stamps_us = [time_ns // 1000 for time_ns in times(true['odom_stamped.x'])]
    assert times(stored.table['odom_stamped.x']) == stamps_us

    assert status.samples == sum(map(len, true.values()))
    assert status.messages == 1 + sum(counts[topic]['count'] for topic in TOPICS)  # /tf_static
    assert (status.dropped, status.rate_limited, status.unreadable) == (0, 0, 0)
