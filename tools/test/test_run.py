from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Run

from twinsight_tools import identity, state
from twinsight_tools.state import Entry
from twinsight_tools.workspace import Workspace

URL = 'http://127.0.0.1:4711'


def shown(run: Run, workspace: Workspace, env: dict[str, str] | None = None) -> dict[str, str]:
    """Ask an executable of the workspace for the environment it runs in."""
    done = run(workspace, 'tools/run', 'robot_tools', 'show', env=env)
    assert done.returncode == 0, done.stderr
    return dict(line.split('=', 1) for line in done.stdout.splitlines() if '=' in line)


def with_server(workspace: Workspace) -> None:
    started = identity.start_time(os.getpid()) or 0
    entry = Entry('TWINSIGHT_REDUCT_URL', URL, os.getpid(), started, 4711, 'log', 'PATH')
    state.write(workspace, {'reductstore': entry})


def test_arguments_and_exit_code_are_those_of_the_executable(run: Run, built: Workspace) -> None:
    argv = ['tools/run', 'robot_tools', 'show', '--ros-args', '-p', 'a:=b c', '--help']
    assert 'args=--ros-args -p a:=b c --help' in run(built, *argv).stdout
    assert run(built, 'tools/run', 'robot_tools', 'fail').returncode == 7


def test_a_signal_reaches_the_executable(built: Workspace, clean_env: dict[str, str]) -> None:
    with subprocess.Popen(
        ['tools/run', 'robot_tools', 'wait'],
        cwd=built.root,
        env=clean_env,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b'ready\n'
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['robot_tool', 'show'], "no package 'robot_tool' here; this workspace has: robot_tools"),
        (['robot_tools', 'sho'], "has no executable 'sho'; it has: fail, show, wait"),
        (['robot_tools'], 'needs PACKAGE EXECUTABLE'),
        ([], 'needs PACKAGE EXECUTABLE'),
        (['--lst', 'x'], 'needs PACKAGE EXECUTABLE'),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(
    run: Run, built: Workspace, arguments: list[str], message: str
) -> None:
    done = run(built, 'tools/run', *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_list_and_help(run: Run, built: Workspace) -> None:
    listed = run(built, 'tools/run', '--list').stdout.splitlines()
    assert listed == ['robot_tools fail', 'robot_tools show', 'robot_tools wait']
    assert 'example:' in run(built, 'tools/run', '--help').stdout


def test_without_set_up_the_error_says_so(run: Run, checkout: Workspace) -> None:
    done = run(checkout, 'tools/run', 'robot_tools', 'show')
    assert (done.returncode, 'make setup' in done.stderr) == (2, True)


def test_discovery_stays_on_this_machine_unless_told_otherwise(run: Run, built: Workspace) -> None:
    name = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
    assert shown(run, built)[name] == 'LOCALHOST'
    assert shown(run, built, {name: 'SUBNET'})[name] == 'SUBNET'


def test_the_url_of_a_running_server_is_filled_in(run: Run, built: Workspace) -> None:
    name = 'TWINSIGHT_REDUCT_URL'
    assert name not in shown(run, built)
    with_server(built)
    assert shown(run, built)[name] == URL
    assert shown(run, built, {name: 'http://elsewhere'})[name] == 'http://elsewhere'


def test_env_sources_into_a_shell_and_runs_commands(run: Run, built: Workspace) -> None:
    script = 'source <(tools/env) && echo "$AMENT_PREFIX_PATH"'
    sourced = run(built, 'bash', '-c', script)
    assert str(built.install / 'robot_tools') in sourced.stdout
    inside = run(built, 'tools/env', 'sh', '-c', 'echo "$VIRTUAL_ENV"; exit 3')
    assert (inside.stdout.strip(), inside.returncode) == (str(built.venv), 3)
    assert run(built, 'tools/env', 'no-such-command').returncode == 2


def test_a_link_to_the_runner_works_from_elsewhere(
    built: Workspace, tmp_path: Path, clean_env: dict[str, str]
) -> None:
    link = tmp_path / 'run'
    link.symlink_to(built.root / 'tools' / 'run')
    done = subprocess.run([link, '--list'], cwd='/', env=clean_env, capture_output=True)
    assert b'robot_tools show' in done.stdout
