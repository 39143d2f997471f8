"""A folder of PostgreSQL data: how it comes into being, and who still works on it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import time

from .messages import ToolError
from .unprivileged import Account, account

NAME = 'twinsight'  # of the database, and of the user whom it belongs to
GONE_TIMEOUT_S = 10.0


def owner_of(data: Path) -> Account:
    """Return who runs PostgreSQL on this data: the caller, or for root an ordinary user."""
    try:
        return account(data.stat().st_uid)
    except OSError:
        return account()


def make(server: Path, data: Path, owner: Account, *, durable: bool) -> None:
    """
    Make a data folder with the database in it, whole or not at all; fine where there is one.

    `server` is the binary that will run on it.
    """
    if data.exists():
        return
    owner.make_way(data)
    partial = data.with_name(f'{data.name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    owner.give(partial)
    # Every program on this machine may connect, as to a ReductStore without a token: the server
    # listens on loopback only, and who must not read the data has no account here.
    initdb = [
        owner.sees(server.with_name('initdb')), f'--pgdata={owner.sees(partial)}',
        f'--username={NAME}', '--auth=trust', '--encoding=UTF8', '--locale=C',
        '--no-instructions', *(() if durable else ('--no-sync',)),
    ]  # fmt: skip
    _run([*owner.switch, *initdb])
    single = [owner.sees(server), '--single', '-D', owner.sees(partial), 'postgres']
    _run([*owner.switch, *single], f'CREATE DATABASE {NAME}\n')
    partial.rename(data)


def major_version(data: Path) -> str | None:
    """Return the version of the servers that can work on the data; None where there are none."""
    try:
        return (data / 'PG_VERSION').read_text().strip()
    except OSError:
        return None


def server_version(server: Path, owner: Account) -> str:
    """Return the major version of a server; 'none' where it does not run."""
    argv = [*owner.switch, owner.sees(server), '--version']
    try:
        done = subprocess.run(argv, env=environment(), capture_output=True, text=True)
    except OSError:
        return 'none'
    # Before version 10 a major version had two numbers, in PG_VERSION too.
    match = re.search(r'\) (9\.\d+|\d+)', done.stdout)
    return match[1] if match else 'none'


def _run(argv: Sequence[str], told: str = '') -> None:
    try:
        done = subprocess.run(argv, input=told, env=environment(), capture_output=True, text=True)
    except OSError as error:
        raise ToolError(f'cannot make a PostgreSQL database: {error}') from error
    lines = [line for line in f'{done.stdout}\n{done.stderr}'.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r'\b(error|ERROR|FATAL|PANIC):', line)]
    # In single-user mode a statement that failed does not show in the exit code.
    if done.returncode != 0 or errors:
        # The last lines are of no use where it says that it takes away what it has made.
        said = (errors or lines or [f'exit code {done.returncode}'])[-1]
        raise ToolError(f'cannot make a PostgreSQL database: {said.strip()}')


def environment() -> dict[str, str]:
    """Return this process's environment without what would change a server or the paths to it."""
    return {
        key: value for key, value in os.environ.items()
        if not key.startswith('PG') and key != 'LD_LIBRARY_PATH'
    }  # fmt: skip


def end_leftovers(data: Path) -> None:
    """
    End what a killed server has left at work on this data, and take away its lock.

    After SIGKILL of the first process the idle others end by themselves, a little later, but one
    that computes goes on; and while one is left, no new server starts. The lock file names a
    process id that another program may have by now. Raises ToolError where a whole server runs.
    """
    lock = data / 'postmaster.pid'
    deadline_s = time.monotonic() + GONE_TIMEOUT_S
    while pids := _at_work_in(data):
        first = _holder(lock)
        if first not in pids:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        elif time.monotonic() > deadline_s:
            raise ToolError(f'another PostgreSQL (pid {first}) runs on {data}: end it first')
        time.sleep(0.02)
    lock.unlink(missing_ok=True)


def _holder(lock: Path) -> int | None:
    try:
        return int(lock.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _at_work_in(data: Path) -> set[int]:
    """Find the PostgreSQL processes in this folder: all of them have it as their current one."""
    found = set()
    for process in Path('/proc').glob('[0-9]*'):
        try:
            program = Path(os.readlink(process / 'exe'))  # `postgres (deleted)` after an update
            if program.name.startswith('postgres') and (process / 'cwd').samefile(data):
                found.add(int(process.name))
        except OSError:
            continue  # gone, or somebody else's
    return found
