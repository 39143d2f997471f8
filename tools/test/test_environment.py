from __future__ import annotations

import json
from pathlib import Path

import pytest

from twinsight_tools.environment import environment
from twinsight_tools.messages import UsageError
from twinsight_tools.workspace import Workspace

BASE = {'PATH': '/usr/bin:/bin', 'HOME': '/nowhere', 'LD_LIBRARY_PATH': '/usr/local/lib'}


def sourced(prefix: Path, distro: str) -> dict[str, str]:
    index = prefix / 'share/ament_index/resource_index/packages'
    index.mkdir(parents=True, exist_ok=True)
    (index / 'rclpy').touch()
    return {**BASE, 'ROS_DISTRO': distro, 'AMENT_PREFIX_PATH': str(prefix)}


def test_the_workspace_comes_before_what_was_there(built: Workspace) -> None:
    env = environment(built, BASE)
    assert env['PATH'] == f'{built.venv}/bin:/usr/bin:/bin'
    assert env['AMENT_PREFIX_PATH'].split(':') == [f'{built.install}/robot_tools', str(built.venv)]
    libraries = env['LD_LIBRARY_PATH'].split(':')
    assert libraries[0] == f'{built.venv}/lib'
    assert libraries[1].endswith('ros_rcl.libs')
    assert libraries[-1] == '/usr/local/lib'
    assert env['PYTHONPATH'] == f'{built.root}/tools'
    assert env['HOME'] == '/nowhere'


def test_doing_it_twice_changes_nothing(built: Workspace) -> None:
    env = environment(built, BASE)
    assert environment(built, env) == env


def test_without_the_overlay_nothing_built_shows(built: Workspace) -> None:
    env = environment(built, BASE, overlay=False)
    assert env['AMENT_PREFIX_PATH'] == str(built.venv)


def test_the_base_stays_as_it_was(built: Workspace) -> None:
    base = dict(BASE)
    environment(built, base)
    assert base == BASE


def test_another_ros_in_the_shell_is_refused(built: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='this shell has ROS 2 jazzy'):
        environment(built, sourced(tmp_path / 'jazzy', 'jazzy'))


def test_a_sourced_set_up_wants_its_ros_sourced(built: Workspace, tmp_path: Path) -> None:
    prefix = tmp_path / 'jazzy'
    choices = {'kind': 'sourced', 'distro': 'jazzy', 'prefix': str(prefix), 'python': 'python3'}
    built.record.write_text(json.dumps(choices))
    with pytest.raises(UsageError, match=f'source {prefix}/setup.bash'):
        environment(built, BASE)
    env = environment(built, sourced(prefix, 'jazzy'))
    assert env['AMENT_PREFIX_PATH'] == f'{built.install}/robot_tools:{prefix}'
    assert '_ROS_WHEELS_BOOTSTRAP_COMPLETE' not in env
    with pytest.raises(UsageError, match='this shell has ROS 2 rolling'):
        environment(built, sourced(tmp_path / 'rolling', 'rolling'))
