from __future__ import annotations

from pathlib import Path
import socket
import urllib.error
import urllib.request

import pytest

from twinsight_tools import identity, reductstore
from twinsight_tools.launch import Program
from twinsight_tools.messages import ToolError


def request(method: str, url: str, body: bytes | None = None, token: str = '') -> bytes:
    headers = {'Authorization': f'Bearer {token}'} if token else {}
    asked = urllib.request.Request(url, data=body, method=method, headers=headers)
    with urllib.request.urlopen(asked, timeout=10) as response:
        return bytes(response.read())


def test_data_outlives_kill_and_restart_at_the_same_url(program: Program, tmp_path: Path) -> None:
    with reductstore.running(program, tmp_path / 'with blank' / 'data') as server:
        url, pid = server.url, server.pid
        request('POST', f'{url}/api/v1/b/robots', b'{}')
        request('POST', f'{url}/api/v1/b/robots/odom?ts=1', b'one')
        server.kill()
        assert server.pid is None
        with pytest.raises(urllib.error.URLError):
            request('GET', f'{url}/api/v1/alive')
        server.restart()
        assert server.url == url
        assert server.pid not in (None, pid)
        request('POST', f'{url}/api/v1/b/robots/odom?ts=2', b'two')
        server.restart()
        assert request('GET', f'{url}/api/v1/b/robots/odom?ts=1') == b'one'
        assert request('GET', f'{url}/api/v1/b/robots/odom?ts=2') == b'two'


def test_the_server_ends_with_its_block(program: Program, tmp_path: Path) -> None:
    with pytest.raises(KeyError), reductstore.running(program, tmp_path / 'data') as server:
        pid = server.pid
        raise KeyError
    assert pid is not None
    assert identity.start_time(pid) is None
    server.stop()
    server.kill()


def test_a_token_is_asked_for(program: Program, tmp_path: Path) -> None:
    with reductstore.running(program, tmp_path / 'data', token='secret') as server:
        with pytest.raises(urllib.error.HTTPError) as refused:
            request('GET', f'{server.url}/api/v1/list')
        assert refused.value.code == 401
        assert b'buckets' in request('GET', f'{server.url}/api/v1/list', token='secret')
        server.restart()
        assert b'buckets' in request('GET', f'{server.url}/api/v1/list', token='secret')


def test_two_instances_do_not_meet(program: Program, tmp_path: Path) -> None:
    with (
        reductstore.running(program, tmp_path / 'a') as one,
        reductstore.running(program, tmp_path / 'b') as two,
    ):
        assert one.url != two.url
        request('POST', f'{one.url}/api/v1/b/robots', b'{}')
        assert b'robots' not in request('GET', f'{two.url}/api/v1/list')


def test_a_taken_port_is_an_error(program: Program, tmp_path: Path) -> None:
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ToolError, match=f'port {port} on 127.0.0.1 is taken'),
            reductstore.running(program, tmp_path / 'data', port=port),
        ):
            pass


def test_a_server_that_does_not_start_is_an_error_that_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / 'server.log'
    with (
        pytest.raises(ToolError, match=f'ended while starting: .*{log}'),
        reductstore.running(tmp_path / 'nothing', tmp_path / 'data', log=log),
    ):
        pass


def test_path_comes_before_the_cache(tmp_path: Path) -> None:
    cached = tmp_path / 'cache' / 'twinsight' / f'reductstore-{reductstore.VERSION}'
    on_path = tmp_path / 'bin'
    for folder in (cached, on_path):
        folder.mkdir(parents=True)
        (folder / 'reductstore').write_text('#!/bin/sh\n')
        (folder / 'reductstore').chmod(0o755)
    env = {'XDG_CACHE_HOME': str(tmp_path / 'cache')}
    found = reductstore.find({**env, 'PATH': str(on_path)})
    assert found is not None and found.binary == on_path / 'reductstore'
    found = reductstore.find({**env, 'PATH': str(tmp_path)})
    assert found is not None and found.binary == cached / 'reductstore'
    assert reductstore.find({'XDG_CACHE_HOME': str(tmp_path), 'PATH': str(tmp_path)}) is None


@pytest.fixture
def engine_without_network(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose docker engine runs, holds no image and pulls none."""
    docker = tmp_path / 'bin' / 'docker'
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\n[ "$1" = info ] || { echo "no route to host"; exit 1; }\n')
    docker.chmod(0o755)
    return {'XDG_CACHE_HOME': str(tmp_path / 'cache'), 'PATH': f'{docker.parent}:/usr/bin:/bin'}


def test_a_cached_build_serves_where_docker_has_no_image(
    engine_without_network: dict[str, str], tmp_path: Path
) -> None:
    cached = reductstore.CRATE.binary(engine_without_network)
    cached.parent.mkdir(parents=True)
    cached.touch()
    found = reductstore.SERVER.provide(engine_without_network, tmp_path)
    assert found.binary == cached


def test_a_pull_that_fails_is_followed_by_a_build(
    engine_without_network: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cargo = tmp_path / 'bin' / 'cargo'
    cargo.write_text(
        '#!/bin/sh\n'
        'if [ "$1" = --version ]; then echo "cargo 99.0.0"; exit; fi\n'
        'while [ "$1" != --root ]; do shift; done\n'
        'mkdir -p "$2/bin" && echo built > "$2/bin/reductstore"\n'
    )
    cargo.chmod(0o755)
    found = reductstore.SERVER.provide(engine_without_network, tmp_path)
    assert found.binary is not None and found.binary.read_text() == 'built\n'
    assert f'docker pull {reductstore.IMAGE} failed' in capsys.readouterr().out


def test_a_pull_that_fails_is_an_error_without_cargo(
    engine_without_network: dict[str, str], tmp_path: Path
) -> None:
    env = {**engine_without_network, 'PATH': str(tmp_path / 'bin')}
    with pytest.raises(ToolError, match='(?s)docker pull .* failed .*no route to host'):
        reductstore.SERVER.provide(env, tmp_path)
