"""
TimescaleDB for tests, on a machine whose PostgreSQL has none: a small Debian in a folder.

`tools/bare timescaledb` builds it once, as root. Debian's package has the Apache licensed part:
hypertables, without compression, policies and continuous aggregates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
import subprocess
import tempfile

from . import cache, postgres
from .command import run_quietly
from .launch import Program
from .messages import say, ToolError
from .postgres import Postgres
from .private import PrivateServer
from .progress import elapsed
from .unprivileged import Account, account_within
from .workspace import here

RELEASE = 'trixie'
PACKAGES = ('postgresql-17', 'postgresql-17-timescaledb')
TITLE = 'TimescaleDB'


class Chrooted(Postgres):
    """The PostgreSQL of the small Debian; its data lies inside as well."""

    name = 'timescaledb'
    title = TITLE

    def __init__(self, root: Path) -> None:
        super().__init__(durable=False)
        self._root = root

    def _owner_of(self, data: Path) -> Account:
        return account_within(self._root, 'postgres')


def _folder(env: Mapping[str, str]) -> Path:
    return cache.folder(f'timescaledb-{RELEASE}', env)


def find(env: Mapping[str, str] | None = None) -> Path | None:
    """Find the Debian that was built; None where there is none, or the caller is not root."""
    root = _folder(os.environ if env is None else env) / 'root'
    return root if os.geteuid() == 0 and root.is_dir() else None


@contextmanager
def running(root: Path) -> Iterator[PrivateServer]:
    """Run a private server on 127.0.0.1 until the block ends; its data goes with it."""
    folder = Path(tempfile.mkdtemp(prefix='twinsight-', dir=root / 'tmp'))
    folder.chmod(0o711)
    binary = next(root.glob('usr/lib/postgresql/*/bin/postgres'))
    program = Program(f'{RELEASE} in {root}', binary=binary)
    try:
        with PrivateServer(
            Chrooted(root), program, folder / 'data', log=folder / 'log'
        ) as server:
            yield server
    finally:
        shutil.rmtree(folder)


def build(env: Mapping[str, str], logs: Path) -> Path:
    """Build the Debian, or find it there; raises ToolError where that cannot be."""
    if os.geteuid() != 0 or shutil.which('debootstrap', path=env.get('PATH', '')) is None:
        raise ToolError(
            'the TimescaleDB for tests is built by root, with debootstrap: call it as root after '
            '`apt install debootstrap`, or name a server in TWINSIGHT_TEST_TIMESCALE_URL'
        )
    folder = _folder(env)
    root, partial = folder / 'root', folder / 'partial'
    with cache.alone(folder, TITLE):
        if not root.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
            argv = [
                'debootstrap', '--variant=minbase', f'--include={",".join(PACKAGES)}',
                RELEASE, str(partial), *_mirror(env),
            ]  # fmt: skip
            seconds = run_quietly(
                argv,
                label=TITLE,
                task=f'debootstrap {RELEASE}',
                log=logs / 'timescaledb-build.log',
                describe=lambda line: line.removeprefix('I: ') if line[:3] == 'I: ' else None,
                env={**env, 'DEBIAN_FRONTEND': 'noninteractive'},
            )
            for package in partial.glob('var/cache/apt/archives/*.deb'):
                package.unlink()
            partial.rename(root)
            say(TITLE, f'built in {elapsed(seconds)}')
    return root


def _mirror(env: Mapping[str, str]) -> list[str]:
    """Return the Debian mirror that this machine uses; none leaves the choice to debootstrap."""
    if shutil.which('apt-get', path=env.get('PATH', '')) is None:
        return []
    ask = ['apt-get', 'indextargets', '--format', '$(REPO_URI)', 'Origin: Debian', 'Label: Debian']
    answer = subprocess.run(ask, capture_output=True, text=True, env=dict(env))
    return answer.stdout.split()[:1]


def main() -> int:
    program = postgres.find()
    if program is not None and postgres.with_timescale(program):
        say(TITLE, f'comes with PostgreSQL: {program.text}')
        return 0
    if os.geteuid() != 0:
        say(TITLE, 'there is none, and only root builds one: its tests fail or are skipped')
        return 0
    say(TITLE, f'{RELEASE} with {PACKAGES[-1]} in {build(os.environ, here().logs)}')
    return 0
