"""Makes .venv and fills it; goes on where a killed run stopped."""

from __future__ import annotations

from collections.abc import Mapping
import json
import os
from pathlib import Path
import re
import shutil
import subprocess

from . import atomic, stamps, wheels
from .ament import WHEELS
from .command import run_quietly
from .messages import say, ToolError
from .progress import elapsed
from .ros import Ros
from .workspace import Workspace

LABEL = 'Packages'


def ensure(workspace: Workspace, ros: Ros, env: Mapping[str, str], *, dev: bool) -> None:
    """Bring .venv up to date with `ros` and the lists of requirements."""
    assert ros.python is not None
    origin = {
        'kind': ros.kind,
        'distro': ros.distro,
        'prefix': ros.prefix,
        'python': ros.python.path,
        'version': ros.python.name,
        'root': str(workspace.root),
    }
    before = workspace.choices()
    if any(before.get(key) != value for key, value in origin.items()):
        if before:
            say('Set-up', 'another ROS 2, Python or place than last time: building anew')
        _create(workspace, ros, env)
        atomic.write(workspace.record, json.dumps(origin, indent=2) + '\n')
    _install(workspace, ros, env, dev=dev)


def _create(workspace: Workspace, ros: Ros, env: Mapping[str, str]) -> None:
    """Make an empty .venv. What was built against the former one goes as well."""
    assert ros.python is not None
    builds = (workspace.root / 'build', workspace.state / 'build')
    for folder in (workspace.install, workspace.underlay, *builds):
        shutil.rmtree(folder, ignore_errors=True)
    site = ['--system-site-packages'] if ros.kind != WHEELS else []
    argv = [ros.python.path, '-m', 'venv', '--clear', *site, str(workspace.venv)]
    done = subprocess.run(argv, env=dict(env), capture_output=True, text=True)
    if done.returncode != 0:
        raise ToolError(f'cannot make {workspace.venv}: {(done.stderr or done.stdout).strip()}')


def _install(workspace: Workspace, ros: Ros, env: Mapping[str, str], *, dev: bool) -> None:
    assert ros.python is not None
    wanted = _requirements(workspace, ros, dev=dev)
    names = [] if ros.kind == WHEELS else _missing_tools(workspace, env)
    if not names and all(stamps.matches(stamp, value) for _, stamp, value in wanted):
        say(LABEL, f'up to date in .venv (Python {ros.python.name})')
        return
    _forget_half_installed(workspace)
    seconds = _pip(workspace, [*names, *(f'-r{path}' for path, _, _ in wanted)], env)
    if ros.kind == WHEELS:
        wheels.repair(workspace, ros.python.include)
        wheels.write_local_setup(workspace)
    for _, stamp, value in wanted:
        atomic.write(stamp, value)
    say(LABEL, f'installed into .venv (Python {ros.python.name}) in {elapsed(seconds)}')


def _requirements(workspace: Workspace, ros: Ros, *, dev: bool) -> list[tuple[Path, Path, str]]:
    """List the files of requirements, each with its stamp and the value that it should have."""
    names = ['tools/ros_wheels.txt'] if ros.kind == WHEELS else []
    names += ['requirements.txt', *(['requirements-dev.txt'] if dev else [])]
    lists = [workspace.root / name for name in names]
    return [
        (path, workspace.venv / f'twinsight-{path.stem}.stamp', stamps.digest([path]))
        for path in lists
    ]


def _pip(workspace: Workspace, wanted: list[str], env: Mapping[str, str]) -> float:
    """Install what pip is told to; return the seconds it took."""
    collected: set[str] = set()

    def describe(line: str) -> str | None:
        word, _, rest = line.strip().partition(' ')
        if word == 'Collecting':
            name = re.split(r'[^\w.-]', rest)[0]
            collected.add(name)
            return f'package {len(collected)}, {name}'
        return f'unpacking {len(collected)} packages' if word == 'Installing' else None

    argv = [str(workspace.python), '-m', 'pip', 'install', '--no-input', '--progress-bar', 'off']
    return run_quietly(
        [*argv, '--disable-pip-version-check', *wanted],
        label=LABEL,
        task='pip install',
        log=workspace.logs / 'pip.log',
        describe=describe,
        env=env,
    )


def _missing_tools(workspace: Workspace, env: Mapping[str, str]) -> list[str]:
    """Name the build tools that a sourced ROS 2 may lack; all else comes with it."""
    names = []
    probe = [str(workspace.python), '-c', 'import colcon_core, colcon_ros, colcon_cmake']
    if subprocess.run(probe, env=dict(env), capture_output=True).returncode != 0:
        names.append('colcon-common-extensions')
    path = os.pathsep.join([str(workspace.venv / 'bin'), env.get('PATH', '')])
    if shutil.which('cmake', path=path) is None:
        names.append('cmake')
    return names


def _forget_half_installed(workspace: Workspace) -> None:
    """
    Remove the metadata of packages whose installation was killed in the middle.

    pip writes INSTALLER after a package's last file, and takes a package with metadata for whole.
    """
    for site in workspace.site_packages():
        for info in site.glob('*.dist-info'):
            if not (info / 'INSTALLER').exists():
                shutil.rmtree(info)
