"""A replay under control of the ros2 command, where there is one."""

from __future__ import annotations

import shutil
from typing import Any, TYPE_CHECKING

import pytest

from twinsight_interfaces.msg import ReplayStatus
from twinsight_replay.ros_times import to_ns

if TYPE_CHECKING:
    from conftest import Drive, Operator

ALONE = ('--no-daemon', '--spin-time', '4')  # a daemon would outlive the test

pytestmark = pytest.mark.skipif(
    shutil.which('ros2') is None, reason='the ros2 command comes with a ROS 2 install only'
)


def test_the_ros2_command_controls_a_replay(operator: Operator, drive: Drive, ros: Any) -> None:
    def ros2(*arguments: str) -> str:
        command = ros.run('ros2', ['ros2', *arguments])
        assert command.end(60) == 0, command.text()
        return command.out.read_text()

    def call(name: str, kind: str, request: str = '{}') -> str:
        type_name = f'rosbag2_interfaces/srv/{kind}'
        return ros2('service', 'call', f'/replay/{name}', type_name, request)

    operator.watch(*drive.channels)
    operator.start('--stay', '--rate', '0.1')
    operator.wait_for(ReplayStatus.PLAYING)
    call('pause', 'Pause')
    operator.wait_for(ReplayStatus.PAUSED)
    assert 'paused=True' in call('is_paused', 'IsPaused')
    target = f'{{time: {{sec: {drive.at_ns(300) // 10**9}, nanosec: 500000000}}}}'
    assert 'success=True' in call('seek', 'Seek', target)
    assert 'actually_burst=3' in call('burst', 'Burst', '{num_messages: 3}')
    operator.settle(lambda: operator.texts('/odom')[-1:] == ['327'])
    assert operator.texts('/odom')[-3:] == ['325', '326', '327']
    assert 'Set parameter successful' in ros2('param', 'set', *ALONE, '/replay', 'rate', '2.0')
    assert 'rate=2.0' in call('get_rate', 'GetRate')
    assert 'Double value is: 2.0' in ros2('param', 'get', *ALONE, '/replay', 'rate')
    refused = ros.run('refused', ['ros2', 'param', 'set', *ALONE, '/replay', 'loop', 'true'])
    refused.end(60)
    assert 'Trying to set a read-only parameter: loop' in refused.text()
    status = ros2('topic', 'echo', '/replay/status', '--once', *ALONE)
    assert 'paused: true\nrate: 2.0\n' in status
    assert f'sec: {to_ns(operator.status.position) // 10**9}\n' in status
