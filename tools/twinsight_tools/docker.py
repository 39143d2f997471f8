"""Asks a running docker engine, and pulls images with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import shutil
import subprocess

from .command import run_quietly


def answers(*arguments: str, env: Mapping[str, str]) -> bool:
    """Tell whether a docker engine runs and answers this with success."""
    docker = shutil.which('docker', path=env.get('PATH', ''))
    if docker is None:
        return False
    try:
        argv = [docker, *arguments]
        return subprocess.run(argv, capture_output=True, timeout=10, env=dict(env)).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def has_image(image: str, env: Mapping[str, str]) -> bool:
    return answers('image', 'inspect', image, env=env)


def runs(env: Mapping[str, str]) -> bool:
    return answers('info', env=env)


def pull(image: str, env: Mapping[str, str], *, label: str, log: Path) -> None:
    """Pull an image; raises ToolError where that fails, as behind a firewall."""
    run_quietly(
        ['docker', 'pull', image],
        label=label,
        task=f'docker pull {image}',
        log=log,
        describe=lambda line: line.strip() or None,
        env=env,
    )
