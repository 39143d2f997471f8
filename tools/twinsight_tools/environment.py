"""The environment in which the workspace's programs run, as a pure function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import os
from pathlib import Path

from . import state
from .ament import SOURCED, sourced_prefix, WHEELS
from .messages import UsageError
from .workspace import Workspace

# The wheels' .pth starts Python a second time to set LD_LIBRARY_PATH, unless this says it is done.
BOOTSTRAP_GUARD = '_ROS_WHEELS_BOOTSTRAP_COMPLETE'


def environment(
    workspace: Workspace, base: Mapping[str, str] | None = None, *, overlay: bool = True
) -> dict[str, str]:
    """
    Return `base` (default: this process's) with all that the workspace's programs need.

    Adds .venv, ROS 2, the underlay, install/, tools/ on PYTHONPATH, and, where unset, DDS
    discovery on this machine only and the URLs of the servers that `make servers` started.
    Without `overlay` it is the environment to build in. Calling it on its own result changes
    nothing.

    Raises UsageError where set-up has not run, or another ROS 2 is sourced than it ran with.
    """
    env = dict(os.environ if base is None else base)
    choices = workspace.choices()
    if not choices:
        raise UsageError(f'{workspace.root} is not set up: run `make setup` there')
    _check_ros(env, choices, workspace)
    env['VIRTUAL_ENV'] = str(workspace.venv)
    env.pop('PYTHONHOME', None)
    _prepend(env, 'PATH', [workspace.venv / 'bin'])
    if choices['kind'] == WHEELS:
        _add_wheels(env, workspace, choices['distro'])
    add_prefixes(env, workspace.underlay)
    env.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    if overlay:
        add_prefixes(env, workspace.install)
        _prepend(env, 'PYTHONPATH', [workspace.root / 'tools'])
        for variable, url in state.urls(workspace).items():
            env.setdefault(variable, url)
    return env


def _check_ros(env: Mapping[str, str], choices: Mapping[str, str], workspace: Workspace) -> None:
    sourced = sourced_prefix(env, workspace)
    kind, distro = choices['kind'], choices['distro']
    if kind == SOURCED and sourced is None:
        raise UsageError(
            f'{workspace.root} is set up for ROS 2 {distro}: run `source '
            f'{choices["prefix"]}/setup.bash` first'
        )
    expected = choices['prefix'] if kind == SOURCED else ''
    if sourced is not None and str(sourced) != expected:
        raise UsageError(
            f'this shell has ROS 2 {env.get("ROS_DISTRO")} ({sourced}), {workspace.root} is set '
            f'up for {distro} ({expected or "wheels"}): open a new shell, or run `make setup`'
        )


def _add_wheels(env: dict[str, str], workspace: Workspace, distro: str) -> None:
    env['ROS_DISTRO'] = distro
    env['ROS_VERSION'] = '2'
    env['ROS_PYTHON_VERSION'] = '3'
    env[BOOTSTRAP_GUARD] = '1'
    bundled = [path for site in workspace.site_packages() for path in site.glob('ros_*.libs')]
    _prepend(env, 'LD_LIBRARY_PATH', [workspace.venv / 'lib', *sorted(bundled)])
    for variable in ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH'):
        _prepend(env, variable, [workspace.venv])


def _prepend(env: dict[str, str], variable: str, paths: Iterable[Path | str]) -> None:
    """Put `paths` first, in their order, unless they are in already."""
    present = [text for text in env.get(variable, '').split(os.pathsep) if text]
    new = [str(path) for path in paths]
    env[variable] = os.pathsep.join(
        [path for path in dict.fromkeys(new) if path not in present] + present
    )


def add_prefixes(env: dict[str, str], base: Path) -> None:
    """Add every package that colcon installed below `base` (layout: one folder a package)."""
    for prefix in sorted(base.glob('*/share/colcon-core/packages/*')):
        root = prefix.parents[3]
        _apply(env, root, root / 'share' / prefix.name / 'package.dsv')


def _apply(env: dict[str, str], prefix: Path, script: Path) -> None:
    """Do what colcon's shell scripts do: read one `.dsv` file and those it names."""
    try:
        lines = script.read_text().splitlines()
    except OSError:
        return
    steps = [line.partition(';') for line in lines]
    # A hook is listed once per shell, and not always as .dsv; the .dsv lies beside the others.
    hooks = [prefix / rest for action, _, rest in steps if action == 'source']
    for hook in dict.fromkeys(path.with_suffix('.dsv') for path in hooks):
        _apply(env, prefix, hook)
    for action, _, rest in steps:
        variable, _, value = rest.partition(';')
        if action in ('prepend-non-duplicate', 'prepend-non-duplicate-if-exists'):
            path = prefix / value if value else prefix
            if path.exists():
                _prepend(env, variable, [os.path.normpath(path)])
        elif action == 'set':
            env[variable] = value
        elif action == 'set-if-unset':
            env.setdefault(variable, value)
