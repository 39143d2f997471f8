"""What the tests of tools/ share: a ReductStore to start, and small checkouts of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
from typing import Protocol

import pytest

TOOLS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOOLS))

from twinsight_tools import reductstore  # noqa: E402
from twinsight_tools.launch import Program  # noqa: E402
from twinsight_tools.workspace import Workspace  # noqa: E402


@pytest.fixture(scope='session')
def program() -> Program:
    found = reductstore.find()
    if found is None:
        pytest.skip('ReductStore is not installed: run `make setup`, or put it on PATH')
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Workspace:
    """A checkout with the tools alone, not set up, at a path with a blank."""
    root = tmp_path / 'my robots'
    root.mkdir()
    shutil.copy(TOOLS.parent / 'Makefile', root)
    keep = shutil.ignore_patterns('test', '__pycache__')
    shutil.copytree(TOOLS, root / 'tools', ignore=keep)
    return Workspace(root)


@pytest.fixture
def built(checkout: Workspace) -> Workspace:
    """A checkout as set-up leaves it: a .venv and one built package with three executables."""
    checkout.python.parent.mkdir(parents=True)
    checkout.python.symlink_to(sys.executable)
    (checkout.venv / 'lib' / 'python3.10' / 'site-packages' / 'ros_rcl.libs').mkdir(parents=True)
    choices = {'kind': 'wheels', 'distro': 'kilted', 'prefix': '', 'python': sys.executable}
    checkout.record.write_text(json.dumps(choices))
    prefix = checkout.install / 'robot_tools'
    for folder in ('share/colcon-core/packages', 'share/ament_index/resource_index/packages'):
        (prefix / folder).mkdir(parents=True)
        (prefix / folder / 'robot_tools').touch()
    share = prefix / 'share/robot_tools'
    (share / 'hook').mkdir(parents=True)
    (share / 'package.dsv').write_text('source;share/robot_tools/hook/index.dsv\n')
    (share / 'hook/index.dsv').write_text('prepend-non-duplicate;AMENT_PREFIX_PATH;\n')
    show = 'env; echo "args=$*"'
    scripts = {'show': show, 'fail': 'exit 7', 'wait': 'echo ready; exec sleep 60'}
    (prefix / 'lib/robot_tools').mkdir(parents=True)
    for name, body in scripts.items():
        script = prefix / 'lib/robot_tools' / name
        script.write_text(f'#!/bin/sh\n{body}\n')
        script.chmod(0o755)
    return checkout


class Run(Protocol):
    """Runs a command in a checkout; `env` changes the environment, '' unsets a variable."""

    def __call__(
        self, workspace: Workspace, *argv: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def run(clean_env: dict[str, str]) -> Run:
    def in_checkout(
        workspace: Workspace, *argv: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        full = {**clean_env, **(env or {})}
        return subprocess.run(
            argv,
            cwd=workspace.root,
            env={key: value for key, value in full.items() if value},
            capture_output=True,
            text=True,
            timeout=180,
        )

    return in_checkout


@pytest.fixture
def clean_env() -> dict[str, str]:
    """Return this process's environment, less what the workspace of the test run put there."""
    prefixes = ('TWINSIGHT_', 'ROS_', 'AMENT_', '_ROS_', 'CMAKE_', 'COLCON_', 'PYTHON')
    return {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
