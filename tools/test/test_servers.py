from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import os
from pathlib import Path
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Run

from twinsight_tools import identity, processes, reductstore, servers, state
from twinsight_tools.launch import Program
from twinsight_tools.messages import ToolError
from twinsight_tools.state import Entry
from twinsight_tools.workspace import Workspace


@pytest.fixture
def env(program: Program, tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH leads to the ReductStore at hand."""
    if program.binary is None:
        pytest.skip('these tests start a binary, and this machine has the image only')
    folder = tmp_path / 'bin'
    folder.mkdir()
    (folder / 'reductstore').symlink_to(program.binary)
    return {'PATH': f'{folder}:{os.environ["PATH"]}'}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path / 'my robots')
    yield workspace
    servers.stop(workspace)


def entry_of(workspace: Workspace) -> Entry:
    return state.read(workspace)['reductstore']


def test_a_second_start_finds_the_server_running(
    env: dict[str, str], workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    servers.start(env, workspace)
    first = entry_of(workspace)
    assert f'{first.url} (started, pid {first.pid}' in capsys.readouterr().out
    assert first.url.startswith('http://127.0.0.1:')
    servers.start(env, workspace)
    assert entry_of(workspace) == first
    assert f'{first.url} (running, pid {first.pid}' in capsys.readouterr().out
    servers.stop(workspace)
    assert f'ended pid {first.pid}' in capsys.readouterr().out
    assert identity.start_time(first.pid) is None
    servers.stop(workspace)
    assert 'not running' in capsys.readouterr().out


def test_a_dead_server_comes_back_on_its_port_and_data(
    env: dict[str, str], workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    servers.start(env, workspace)
    first = entry_of(workspace)
    (workspace.state / 'reductstore' / 'mark').touch()
    os.kill(first.pid, signal.SIGKILL)
    servers.start(env, workspace)
    second = entry_of(workspace)
    assert (second.url, second.pid == first.pid) == (first.url, False)
    assert (workspace.state / 'reductstore' / 'mark').exists()
    assert f'pid {first.pid} is gone' in capsys.readouterr().out


def test_stop_spares_the_process_that_got_the_pid_of_a_dead_server(
    env: dict[str, str], workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    servers.start(env, workspace)
    entry = entry_of(workspace)
    with subprocess.Popen(['sleep', '60']) as stranger:
        fake = dataclasses.replace(entry, pid=stranger.pid)
        state.write(workspace, {'reductstore': fake})
        servers.stop(workspace)
        assert stranger.poll() is None
        assert 'gone already' in capsys.readouterr().out
        stranger.kill()
    processes.end(entry.pid, entry.process_start)


def test_a_url_in_the_environment_is_used_and_nothing_started(
    program: Program, workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with reductstore.running(program, tmp_path / 'data') as server:
        given = {'PATH': os.environ['PATH'], 'TWINSIGHT_REDUCT_URL': server.url}
        servers.start(given, workspace)
        assert f'{server.url} (from TWINSIGHT_REDUCT_URL' in capsys.readouterr().out
        assert state.read(workspace) == {}
    with pytest.raises(ToolError, match='no ReductStore answers at'):
        servers.start(given, workspace)


def test_make_servers_and_make_stop(run: Run, env: dict[str, str], checkout: Workspace) -> None:
    for word in ('started', 'running'):
        done = run(checkout, 'make', 'servers', env=env)
        assert done.returncode == 0, done.stderr
        assert word in done.stdout
    pid = entry_of(checkout).pid
    assert f'ended pid {pid}' in run(checkout, 'make', 'stop', env=env).stdout
    assert 'not running' in run(checkout, 'make', 'stop', env=env).stdout
