from __future__ import annotations

from pathlib import Path

import pytest

from twinsight_tools import building
from twinsight_tools.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for name in ('src/a/package.xml', 'src/a/a/node.py', 'src/m/msg/M.msg', 'config/r.yaml',
                 'src/a/a/code.c'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('1')
    return Workspace(tmp_path)


@pytest.mark.parametrize(
    ('name', 'builds'),
    [
        ('src/a/package.xml', True),
        ('src/m/msg/M.msg', True),
        ('src/m/msg/New.msg', True),
        ('src/a/setup.py', True),
        ('config/new.yaml', True),
        ('launch/new.launch.py', True),
        ('colcon.meta', True),
        ('.venv/twinsight.json', True),
        ('src/a/a/code.c', True),
        ('src/a/a/node.py', False),
        ('src/a/a/new.py', False),
        ('src/a/a/__pycache__/node.pyc', False),
        ('src/a/test/data.bin', False),
        ('config/r.yaml', False),
    ],
)
def test_what_asks_for_a_build(workspace: Workspace, name: str, builds: bool) -> None:
    before = building.workspace_inputs(workspace)
    assert building.workspace_inputs(workspace) == before
    path = workspace.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('2')
    assert (building.workspace_inputs(workspace) != before) == builds
