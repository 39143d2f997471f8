from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import os
from pathlib import Path
import signal
import subprocess
from typing import TYPE_CHECKING
import uuid

import psycopg
import pytest
import redis

if TYPE_CHECKING:
    from conftest import Run

from twinsight_tools import (
    identity,
    postgres,
    processes,
    redis_server,
    reductstore,
    servers,
    state,
)
from twinsight_tools.launch import Kind, Program
from twinsight_tools.messages import ToolError
from twinsight_tools.private import PrivateServer
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
def workspace(open_folder: Path) -> Iterator[Workspace]:
    workspace = Workspace(open_folder / uuid.uuid4().hex[:8] / 'my robots')
    yield workspace
    servers.stop(workspace)


@pytest.fixture
def one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave one server to start: what is tested is the same for all."""
    monkeypatch.setattr(servers, 'KINDS', (reductstore.SERVER,))


def entry_of(workspace: Workspace) -> Entry:
    return state.read(workspace)['reductstore']


@pytest.mark.usefixtures('one_kind')
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


@pytest.mark.usefixtures('one_kind')
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


@pytest.mark.usefixtures('one_kind')
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


def test_all_servers_start_and_keep_their_data_when_killed(
    env: dict[str, str], workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    servers.start(env, workspace)
    entries = state.read(workspace)
    assert list(entries) == ['reductstore', 'postgres', 'redis']
    said = capsys.readouterr().out
    urls = {}
    for entry in entries.values():
        assert f'{entry.url} (started, pid {entry.pid}, {entry.found})' in said
        urls[entry.variable] = entry.url
    assert state.urls(workspace) == urls
    postgres_url, redis_url = urls['TWINSIGHT_POSTGRES_URL'], urls['TWINSIGHT_REDIS_URL']
    with psycopg.connect(postgres_url) as connection:
        connection.execute('CREATE TABLE seen AS SELECT 7 AS number')
    redis.Redis.from_url(redis_url).set('number', 7)
    for entry in entries.values():
        os.kill(entry.pid, signal.SIGKILL)
    servers.start(env, workspace)
    assert state.urls(workspace) == urls
    assert redis.Redis.from_url(redis_url).get('number') == b'7'
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute('SELECT number FROM seen').fetchall() == [(7,)]
        connection.commit()
        servers.stop(workspace)
    said = capsys.readouterr().out
    assert [line.split()[1] for line in said.splitlines()[-3:]] == ['ended'] * 3
    assert state.read(workspace) == {}


@pytest.mark.parametrize(
    ('kind', 'fixture'),
    [(postgres.SERVER, 'shared_postgres_server'), (redis_server.SERVER, 'redis_server')],
    ids=['postgres', 'redis'],
)
def test_the_url_of_each_server_is_taken_from_its_variable(
    kind: Kind, fixture: str, request: pytest.FixtureRequest, workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    server = request.getfixturevalue(fixture)
    monkeypatch.setattr(servers, 'KINDS', (kind,))
    servers.start({kind.variable: server.url}, workspace)
    assert f'{server.url} (from {kind.variable}, nothing started)' in capsys.readouterr().out
    assert state.read(workspace) == {}
    with pytest.raises(ToolError, match=f'no {kind.title} answers at .*{kind.variable}'):
        servers.start({kind.variable: f'{kind.name}://127.0.0.1:1/x'}, workspace)


@pytest.mark.usefixtures('one_kind')
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


def test_make_servers_and_make_stop(
    run: Run, env: dict[str, str], checkout: Workspace, shared_postgres_server: PrivateServer
) -> None:
    env['TWINSIGHT_POSTGRES_URL'] = shared_postgres_server.url
    for word in ('started', 'running'):
        done = run(checkout, 'make', 'servers', env=env)
        assert done.returncode == 0, done.stderr
        assert word in done.stdout
        assert f'{shared_postgres_server.url} (from TWINSIGHT_POSTGRES_URL' in done.stdout
    pids = [entry.pid for entry in state.read(checkout).values()]
    assert len(pids) == 2
    stopped = run(checkout, 'make', 'stop', env=env).stdout
    assert all(f'ended pid {pid}' in stopped for pid in pids)
    assert run(checkout, 'make', 'stop', env=env).stdout.count('not running') == 3
