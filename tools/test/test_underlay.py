from __future__ import annotations

import json
import os
from pathlib import Path
import shutil

import pytest

from twinsight_tools import ament, building
from twinsight_tools.environment import environment
from twinsight_tools.workspace import here, Workspace

NAMES = ('underlay_one', 'underlay_two')
MANIFEST = """\
<package format="3">
  <name>NAME</name>
  <version>0.1.0</version>
  <description>A package that no ROS 2 has.</description>
  <maintainer email="developers@twinsight.example">TwinSight developers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""
CMAKE_LISTS = """\
cmake_minimum_required(VERSION 3.16)
project(NAME NONE)
find_package(ament_cmake_core REQUIRED)
ament_package()
"""

# What rosbag2's own definitions hash to, as of its version 0.29.
UPSTREAM = {
    'Burst': '3cba361b055bbec262593fcb727aeb9fb6d096f70b50e6cd9b548b63296f2380',
    'GetRate': 'c4f24894657b45b0cca8c720ce039924cfa1a5b8baa7d1ffd94881812d8700eb',
    'IsPaused': 'c4d007c4a9ca1a76729d96b81c20db85b88b454eee371c0d8afe3aa31b899a40',
    'Pause': 'b101e6aaf344c37f1405f5a1f484fee1c7d2acc61c6f04aeb636e9ab3f51a497',
    'Play': 'e87b287e52219f5f32127c876a0688c537b8a5762612f33b8e740c3b89d19d2b',
    'PlayNext': '2b397d59555ce383e6af4b4e43142934ad4b208bd7da01409d472f1fa481d45b',
    'Resume': 'fb4a116a8bdfc09c4c9f48df3b295d1f546053b4bb145bcbd4c92e7eef9896b8',
    'Seek': '6e9b6b38c44f111e36e43903da565fb2775ab0f0e69c02169a5fb0f130b23eb4',
    'SetRate': '571e1d5335cc99a8e4132c46e4ea9bf873e85c39f23d375146cb7d249d939629',
    'Stop': '668ca94eac65895275ec6d59de0206e522deebe199d9978ffc5ddbaa84a3401e',
    'TogglePaused': 'c4382ba5856616caf3fb7b3ecffd0eb244015814861263ccc8241b2f6c9463ae',
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A checkout with this one's .venv and an underlay of two small packages, at a blank."""
    root = tmp_path / 'my robots'
    for name in NAMES:
        source = root / 'tools/underlay' / name
        source.mkdir(parents=True)
        (source / 'package.xml').write_text(MANIFEST.replace('NAME', name))
        (source / 'CMakeLists.txt').write_text(CMAKE_LISTS.replace('NAME', name))
    (root / '.venv').symlink_to(here().venv)
    return Workspace(root)


@pytest.fixture
def base() -> dict[str, str]:
    """Return this process's environment, less the packages of the checkout that it runs in."""
    prefixes = os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)
    others = [prefix for prefix in prefixes if here().root not in Path(prefix).parents]
    return {**os.environ, 'AMENT_PREFIX_PATH': os.pathsep.join(others)}


def ros_with(base: dict[str, str], prefix: Path, package: str) -> dict[str, str]:
    """Return `base` with one more prefix, which holds `package`."""
    index = prefix / 'share/ament_index/resource_index/packages'
    index.mkdir(parents=True)
    (index / package).touch()
    return {**base, 'AMENT_PREFIX_PATH': f'{base["AMENT_PREFIX_PATH"]}{os.pathsep}{prefix}'}


def origin(workspace: Workspace, base: dict[str, str], package: str) -> Path:
    """Return the prefix from which a program of the workspace takes `package`."""
    return ament.index_prefixes(environment(workspace, base), package)[0]


def outcomes(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """List what was said of each package; lines that show progress are left out."""
    said = capsys.readouterr().out.splitlines()
    assert all(line.startswith('Underlay     ') for line in said)
    return [line.removeprefix('Underlay     ').partition(' in ')[0] for line in said
            if 'colcon build' not in line]


@pytest.mark.parametrize(('present', 'absent'), [NAMES, NAMES[::-1]])
def test_only_what_ros_lacks_is_built(
    workspace: Workspace,
    base: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    present: str,
    absent: str,
) -> None:
    ros = ros_with(base, tmp_path / 'ros', present)
    building.build_underlay(workspace, ros)
    assert sorted(outcomes(capsys)) == sorted(
        [f'{present} found', f'{absent} built into .twinsight/underlay']
    )
    assert origin(workspace, ros, present) == tmp_path / 'ros'
    assert origin(workspace, ros, absent) == workspace.underlay / absent


def test_each_is_built_anew_only_when_it_changed_or_is_gone(
    workspace: Workspace, base: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = NAMES
    building.build_underlay(workspace, base)
    assert outcomes(capsys) == [f'{name} built into .twinsight/underlay' for name in NAMES]
    building.build_underlay(workspace, base)
    assert outcomes(capsys) == [f'{name} up to date' for name in NAMES]
    with (workspace.root / 'tools/underlay' / two / 'CMakeLists.txt').open('a') as lists:
        lists.write('# edited\n')
    building.build_underlay(workspace, base)
    assert outcomes(capsys) == [f'{one} up to date', f'{two} built into .twinsight/underlay']
    shutil.rmtree(workspace.underlay / one)
    building.build_underlay(workspace, base)
    assert outcomes(capsys) == [f'{one} built into .twinsight/underlay', f'{two} up to date']
    assert origin(workspace, base, one) == workspace.underlay / one


def test_ours_gives_way_to_one_that_ros_has_since(
    workspace: Workspace,
    base: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, two = NAMES
    building.build_underlay(workspace, base)
    ros = ros_with(base, tmp_path / 'ros', one)
    assert origin(workspace, ros, one) == workspace.underlay / one
    capsys.readouterr()
    building.build_underlay(workspace, ros)
    assert outcomes(capsys) == [f'{one} found', f'{two} up to date']
    assert origin(workspace, ros, one) == tmp_path / 'ros'


@pytest.mark.parametrize('name', UPSTREAM)
def test_a_service_of_rosbag2_is_the_same_type_as_upstream(name: str) -> None:
    built = here().underlay / 'rosbag2_interfaces'
    if not built.exists():
        pytest.skip('ROS 2 has rosbag2_interfaces here, so none is built')
    described = json.loads((built / f'share/rosbag2_interfaces/srv/{name}.json').read_text())
    hashes = {entry['type_name']: entry['hash_string'] for entry in described['type_hashes']}
    assert hashes[f'rosbag2_interfaces/srv/{name}'] == f'RIHS01_{UPSTREAM[name]}'
