from __future__ import annotations

import os
from pathlib import Path
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Run

from twinsight_tools import missing
from twinsight_tools.messages import ToolError
from twinsight_tools.pythons import Python
from twinsight_tools.ros import Ros
from twinsight_tools.workspace import Workspace


def path_with(folder: Path, *names: str) -> str:
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return str(folder)


def test_set_up_names_all_that_is_missing_at_once(
    run: Run, checkout: Workspace, tmp_path: Path
) -> None:
    path = path_with(tmp_path / 'bin', 'sh', 'dirname', 'readlink')
    env = {'PATH': path, 'TWINSIGHT_PYTHON': sys.executable, 'XDG_CACHE_HOME': str(tmp_path)}
    done = run(checkout, f'{checkout.root}/tools/bare', 'set_up', env=env)
    assert done.returncode == 1
    assert 'apt install build-essential rustup' in done.stderr
    assert 'Traceback' not in done.stderr
    assert not checkout.venv.exists()


def test_without_any_python_the_same_is_said(
    run: Run, checkout: Workspace, tmp_path: Path
) -> None:
    path = path_with(tmp_path / 'bin', 'sh', 'dirname', 'readlink')
    done = run(checkout, f'{checkout.root}/tools/bare', 'set_up', env={'PATH': path})
    assert done.returncode == 1
    names = 'python3 python3-venv python3-dev build-essential rustup'
    assert f'apt install {names}' in done.stderr


def test_a_bare_system_python_lacks_venv_and_headers() -> None:
    bare = Python('/usr/bin/python3', (3, 11), '/usr/include/python3.11', False, False, True)
    named = missing.packages(Ros('wheels', 'kilted', '', bare), os.environ)
    with pytest.raises(ToolError, match=r'apt install python3\.11-venv python3\.11-dev$'):
        missing.refuse(named)


def test_nothing_missing_is_fine() -> None:
    missing.refuse([])


def test_a_path_that_ros_cannot_build_in_is_refused(run: Run, checkout: Workspace) -> None:
    moved = checkout.root.rename(checkout.root.with_name("robot's (1)"))
    done = run(Workspace(moved), 'tools/bare', 'set_up')
    assert done.returncode == 1
    assert 'fail in a path that holds' in done.stderr
