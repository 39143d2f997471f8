"""config/fastdds.xml at work: big best-effort messages between two real processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
import signal
import sys
from typing import Any

import pytest
from twinsight_demo.child import Child

from twinsight_recorder.raw.big_loss import profile_variable

PROFILE = Path(__file__).parents[3] / 'config' / 'fastdds.xml'
VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
MB = 1_000_000
TIMEOUT_S = 40.0

QOS = """
import json, pathlib, sys, time
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
rclpy.init()
node = rclpy.create_node('profile_test')
qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy[sys.argv[1]])
found, done = (pathlib.Path(sys.argv[2], name) for name in ('found', 'done'))
"""

# Publishes when each has found the other, and stays until it is asked to end: what the subscriber
# has not taken yet goes with the publisher.
PUBLISH = QOS + """
size, hertz, count = map(int, sys.argv[3:])
message = PointCloud2(data=bytes(size))
publisher = node.create_publisher(PointCloud2, 'points', qos)
while not (publisher.get_subscription_count() and found.exists()):
    time.sleep(0.02)
due = time.monotonic()
for _ in range(count):
    time.sleep(max(0.0, due - time.monotonic()))
    publisher.publish(message)
    due += 1 / hertz
done.touch()
while rclpy.ok():
    time.sleep(0.02)
"""

# Listens until it has all, or, where nothing is sent again, its publisher is done and nothing
# has come for a second in which it looked.
LISTEN = QOS + """
from rclpy.event_handler import SubscriptionEventCallbacks
count, numbers, lost, quiet = int(sys.argv[3]), [], [0], [0]
def take(data, info):
    numbers.append(info['publication_sequence_number'])
    quiet[0] = 0
def lose(event):
    lost[0] = event.total_count
    quiet[0] = 0
node.create_subscription(
    PointCloud2, 'points', take, qos, raw=True,
    event_callbacks=SubscriptionEventCallbacks(
        message_lost=lose, matched=lambda event: found.touch(),
    ),
)
print('listening', flush=True)
while len(numbers) < count and (sys.argv[1] == 'RELIABLE' or quiet[0] < 10):
    quiet[0] += done.exists()
    rclpy.spin_once(node, timeout_sec=0.1)
print(json.dumps({'numbers': numbers, 'lost': lost[0]}), flush=True)
"""


class Pair:
    """A publisher and a listener, each a process with or without the profile."""

    def __init__(self, ros: Any) -> None:
        self._ros = ros

    def pass_on(
        self, size: int, hertz: int, count: int, *, profiles: tuple[bool, bool],
        reliability: str = 'BEST_EFFORT',
    ) -> dict[str, Any]:
        """Return which messages arrived, by number, and how many DDS says are lost."""
        publishes, listens = profiles
        folder = self._ros.folder
        listener = self._start('listen', listens, LISTEN, reliability, folder, count)
        listener.wait_for('listening', TIMEOUT_S)
        publisher = self._start(
            'publish', publishes, PUBLISH, reliability, folder, size, hertz, count
        )
        arrived = json.loads(listener.finish(TIMEOUT_S).splitlines()[-1])
        publisher.end(TIMEOUT_S, signal.SIGTERM)  # SIGKILL leaves its 141 MB in /dev/shm
        return arrived

    def _start(self, name: str, has_profile: bool, script: str, *words: object) -> Child:
        command = ['env', *(word for variable in VARIABLES for word in ('-u', variable))]
        if has_profile:
            command.append(f'{profile_variable()}={PROFILE}')
        return self._ros.run(name, [*command, sys.executable, '-c', script, *map(str, words)])


@pytest.fixture
def pair(ros: Any) -> Pair:
    return Pair(ros)


def has_room(megabytes: int) -> bool:
    """Return whether shared memory of that size can be had here; containers often have 64 MB."""
    status = os.statvfs('/dev/shm')
    return status.f_bavail * status.f_frsize > megabytes * MB


needs_room = pytest.mark.skipif(
    not has_room(300), reason='needs 300 MB free in /dev/shm (docker run --shm-size=512m)'
)


@needs_room
@pytest.mark.parametrize(('size', 'hertz'), [(2 * MB, 20), (6 * MB, 10)])
def test_big_best_effort_messages_arrive_whole_with_the_profile(
    size: int, hertz: int, pair: Pair
) -> None:
    count = 2 * hertz
    arrived = pair.pass_on(size, hertz, count, profiles=(True, True))
    assert arrived == {'numbers': list(range(1, count + 1)), 'lost': 0}


def test_without_it_they_vanish_and_dds_tells_of_it(pair: Pair) -> None:
    arrived = pair.pass_on(2 * MB, 20, 20, profiles=(False, False))
    assert len(arrived['numbers']) < 10
    assert arrived['lost'] > 5


@needs_room
@pytest.mark.parametrize('profiles', [(True, False), (False, True)])
@pytest.mark.parametrize('size', [1000, 6 * MB])
def test_a_process_with_the_profile_and_one_without_understand_each_other(
    size: int, profiles: tuple[bool, bool], pair: Pair
) -> None:
    arrived = pair.pass_on(size, 10, 10, profiles=profiles, reliability='RELIABLE')
    assert arrived['numbers'] == list(range(1, 11))
