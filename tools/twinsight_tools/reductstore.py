"""ReductStore: where it comes from, how it starts, and private instances for tests and demos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import http.client
import os
from pathlib import Path
import shutil
import signal
import urllib.error
import urllib.request

from . import cargo, docker
from .launch import Kind, Launch, Program
from .messages import say, ToolError
from .private import PrivateServer

VERSION = '1.21.5'
IMAGE = f'reduct/store:v{VERSION}'
# Without its default features: the web console would be downloaded in the middle of the build.
CRATE = cargo.Crate(
    'reductstore', VERSION, ('--no-default-features', '--features', 'fs-backend'), (1, 91)
)
_IMAGE_PROGRAM = Program(f'docker image {IMAGE}', image=IMAGE)
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ReductStore:
    """ReductStore as one of the servers of `make servers`."""

    name = 'reductstore'
    title = 'ReductStore'
    variable = 'TWINSIGHT_REDUCT_URL'
    usual_port = 8383
    stop_signal = signal.SIGTERM

    def locate(self, env: Mapping[str, str]) -> Program | None:
        binary = shutil.which('reductstore', path=env.get('PATH', ''))
        if binary:
            return Program(f'binary on PATH: {binary}', binary=Path(binary))
        if docker.has_image(IMAGE, env):
            return _IMAGE_PROGRAM
        cached = CRATE.binary(env)
        if cached.exists():
            return Program(f'cargo build, cached in {cached.parent}', binary=cached)
        return None

    def provide(self, env: Mapping[str, str], logs: Path) -> Program:
        program = self.locate(env)
        if program is None and docker.runs(env):
            program = self._pull(env, logs)
        if program is None:
            binary = cargo.build(CRATE, env, label=self.title, log=logs / 'reductstore-build.log')
            program = Program(f'cargo build, cached in {binary.parent}', binary=binary)
        return program

    def _pull(self, env: Mapping[str, str], logs: Path) -> Program | None:
        """Pull the image; None where that fails, as behind a firewall, and cargo can build it."""
        log = logs / 'reductstore-pull.log'
        try:
            docker.pull(IMAGE, env, label=self.title, log=log)
        except ToolError:
            if not cargo.cargo_fits(CRATE, env):
                raise
            say(self.title, f'docker pull {IMAGE} failed ({log}): built with cargo instead')
            return None
        return _IMAGE_PROGRAM

    def lacking(self, env: Mapping[str, str]) -> list[str]:
        if self.locate(env) or cargo.cargo_fits(CRATE, env) or docker.runs(env):
            return []
        oldest = '.'.join(str(part) for part in CRATE.minimum)
        return [
            f'rustup (then `rustup default stable`: cargo {oldest} or newer builds ReductStore '
            'once; or put a `reductstore` binary on PATH)'
        ]

    def launch(self, program: Program, data: Path, port: int, token: str | None) -> Launch:
        data.mkdir(parents=True, exist_ok=True)
        url = f'http://127.0.0.1:{port}'
        # RS_API_TOKEN holds at every start, also on data that has seen another token; the token
        # of RS_INIT_API_TOKEN counts at the first start only.
        access = {'RS_DISABLE_AUTH': 'true'} if token is None else {'RS_API_TOKEN': token}
        ours = ('RS_DISABLE_AUTH', 'RS_API_TOKEN', 'RS_INIT_API_TOKEN')
        env = {key: value for key, value in os.environ.items() if key not in ours} | access
        if program.image:
            return _container(program.image, data, port, url, env, tuple(access))
        env |= {'RS_HOST': '127.0.0.1', 'RS_PORT': str(port), 'RS_DATA_PATH': str(data)}
        return Launch((str(program.binary),), env, port, url)

    def ready(self, url: str) -> bool:
        # `alive` answers while the data is still being read; `ready` came with version 1.17.
        return any(_answers(f'{url.rstrip("/")}/api/v1/{path}') for path in ('ready', 'alive'))


def _container(
    image: str, data: Path, port: int, url: str, env: dict[str, str], access: tuple[str, ...]
) -> Launch:
    """Make a foreground `docker run`: it stands for the server and passes signals on."""
    name = f'twinsight-reductstore-{port}'
    argv = [
        'docker', 'run', '--rm', '--name', name,
        '--user', f'{os.getuid()}:{os.getgid()}',  # so that the data stays the caller's own
        '--publish', f'127.0.0.1:{port}:{ReductStore.usual_port}',
        '--mount', f'type=bind,source={data},target=/data',
        '--env', 'RS_DATA_PATH=/data',
    ]  # fmt: skip
    for variable in access:
        argv += ['--env', variable]  # the value comes from `env`, out of sight of `ps`
    return Launch((*argv, image), env, port, url, container=name)


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=2.0) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError, http.client.HTTPException, ValueError):
        return False


SERVER: Kind = ReductStore()


def find(env: Mapping[str, str] | None = None) -> Program | None:
    """Find the ReductStore at hand (PATH, docker, cache); None where set-up has not run."""
    return SERVER.locate(os.environ if env is None else env)


@contextmanager
def running(
    program: Program | Path | str,
    data_dir: Path,
    *,
    port: int | None = None,
    token: str | None = None,
    log: Path | None = None,
) -> Iterator[PrivateServer]:
    """
    Run a private ReductStore on 127.0.0.1, for tests and demos, until the block ends.

    `program` is a binary's path or what `find` returns. `port` is a free one by default, `token`
    switches authentication on, `log` is `<data_dir>.log` by default. The server also ends with
    this process, however that ends. Raises ToolError where the server does not come up.
    """
    if not isinstance(program, Program):
        program = Program(str(program), binary=Path(program))
    log = log or data_dir.with_name(f'{data_dir.name}.log')
    server = PrivateServer(SERVER, program, data_dir, port=port, token=token, log=log)
    with server:
        yield server
