"""Builds a server's crate once per user, outside of the checkout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import os
from pathlib import Path
import re
import shutil
import subprocess

from . import cache
from .command import run_quietly
from .messages import say
from .progress import elapsed


@dataclass(frozen=True)
class Crate:
    """A crate with one binary of the same name; `minimum` is the oldest cargo that builds it."""

    name: str
    version: str
    arguments: tuple[str, ...]
    minimum: tuple[int, int]

    def folder(self, env: Mapping[str, str]) -> Path:
        return cache.folder(f'{self.name}-{self.version}', env)

    def binary(self, env: Mapping[str, str]) -> Path:
        return self.folder(env) / self.name


def cargo_fits(crate: Crate, env: Mapping[str, str]) -> bool:
    """Tell whether PATH has a cargo that is new enough."""
    cargo = shutil.which('cargo', path=env.get('PATH', ''))
    if cargo is None:
        return False
    try:
        answer = subprocess.run(
            [cargo, '--version'], capture_output=True, text=True, timeout=30, env=dict(env)
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    match = re.search(r'cargo (\d+)\.(\d+)', answer)
    return match is not None and (int(match[1]), int(match[2])) >= crate.minimum


def build(crate: Crate, env: Mapping[str, str], *, label: str, log: Path) -> Path:
    """
    Build the crate into the user's cache, or find it there; return the binary.

    A killed build keeps what it compiled, and the next call goes on from there. Two checkouts do
    not build at once: the second waits.
    """
    folder, binary = crate.folder(env), crate.binary(env)
    with cache.alone(folder, label):
        if not binary.exists():
            say(label, f'cargo build, once, takes some minutes; cached in {folder}')
            seconds = run_quietly(
                _install_command(crate, folder),
                label=label,
                task=f'cargo install {crate.name} {crate.version}',
                log=log,
                describe=_state_of,
                env=_build_env(env, folder),
            )
            (folder / 'partial' / 'bin' / crate.name).replace(binary)
            say(label, f'built in {elapsed(seconds)}')
        for leftover in ('target', 'partial'):
            shutil.rmtree(folder / leftover, ignore_errors=True)
    return binary


def _install_command(crate: Crate, folder: Path) -> Sequence[str]:
    return [
        'cargo',
        'install',
        crate.name,
        '--version',
        crate.version,
        *crate.arguments,
        '--root',
        str(folder / 'partial'),
        '--force',
    ]


def _build_env(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    return {
        **env,
        'CARGO_TARGET_DIR': str(folder / 'target'),
        'CARGO_TERM_COLOR': 'never',
        # The progress bar counts the crates; cargo shows it only on a terminal unless told so.
        'CARGO_TERM_PROGRESS_WHEN': 'always',
        'CARGO_TERM_PROGRESS_WIDTH': '100',
        'RUST_BACKTRACE': os.environ.get('RUST_BACKTRACE', '0'),
    }


def _state_of(line: str) -> str | None:
    match = re.search(r'Building \[[=> ]*\] (\d+)/(\d+)(?:: (.*))?', line)
    if match:
        return f'{match[1]}/{match[2]} crates, {(match[3] or "").strip()}'
    match = re.match(r'\s*(Updating|Downloading|Downloaded|Installing) (.*)', line)
    return f'{match[1].lower()} {match[2]}' if match else None
