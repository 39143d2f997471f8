"""Builds the workspace and, below it, the message packages that ROS 2 lacks here: the underlay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import os
from pathlib import Path
import re
import shutil

from . import ament, atomic, stamps
from .command import run_quietly
from .environment import environment
from .messages import say
from .progress import elapsed
from .workspace import Workspace

# Files whose content the build reads. With symlink installs an edit of a Python source, a launch
# file or a configuration shows at once; of those, only a new or vanished file asks for a build.
_READ_BY_BUILD = (
    'package.xml',
    'setup.py',
    'setup.cfg',
    'CMakeLists.txt',
    '*.msg',
    '*.srv',
    '*.action',
    '*.c',
)
_SOURCES = ('src', 'launch')


def build_underlay(workspace: Workspace, base: Mapping[str, str]) -> None:
    """Build what the ament index lacks of tools/underlay into .twinsight/underlay."""
    env = environment(workspace, base, overlay=False)
    for manifest in sorted(workspace.root.glob('tools/underlay/*/package.xml')):
        _build_unless_found(workspace, manifest.parent, env)


def _build_unless_found(workspace: Workspace, source: Path, env: Mapping[str, str]) -> None:
    name = source.name
    others = [
        prefix
        for prefix in ament.index_prefixes(env, name)
        if workspace.underlay not in prefix.parents
    ]
    if others:
        # Ours may hold less, and would come first.
        shutil.rmtree(workspace.underlay / name, ignore_errors=True)
        say('Underlay', f'{name} found in {others[0]}')
        return
    value = stamps.digest(_inputs(workspace, [source], linked=True))
    stamp = workspace.underlay / name / 'twinsight.stamp'
    if stamps.matches(stamp, value):
        say('Underlay', f'{name} up to date in .twinsight/underlay')
        return
    seconds = _colcon(
        workspace,
        ['--base-paths', str(source), '--install-base', str(workspace.underlay)],
        build_base=workspace.state / 'build',
        env=env,
        label='Underlay',
        log=f'{name}-build.log',
        total=1,
    )
    atomic.write(stamp, value)
    say('Underlay', f'{name} built into .twinsight/underlay in {elapsed(seconds)}')


def build_workspace(
    workspace: Workspace, base: Mapping[str, str], *, always: bool = False
) -> None:
    """Build src/ and launch/ into install/ when an input changed, or `always`."""
    env = environment(workspace, base, overlay=False)
    stamp = workspace.install / 'twinsight.stamp'
    if stamps.matches(stamp, workspace_inputs(workspace)) and not always:
        say('Workspace', 'up to date in install')
        return
    packages = [
        path
        for name in _SOURCES
        for path in _walk(workspace.root / name)
        if path.name == 'package.xml'
    ]
    _forget_copies(workspace)
    seconds = _colcon(
        workspace,
        ['--symlink-install'],
        build_base=workspace.root / 'build',
        env=env,
        label='Workspace',
        log='workspace-build.log',
        total=len(packages),
    )
    if ' ' in str(workspace.root):
        _mend_shebangs(workspace)
    atomic.write(stamp, workspace_inputs(workspace))
    say('Workspace', f'{len(packages)} packages built into install in {elapsed(seconds)}')


def workspace_inputs(workspace: Workspace) -> str:
    """
    Hash all that the build of the workspace depends on.

    Where install/ holds copies of the Python sources, their contents belong to it. It does where
    setuptools is too new for symlink installs, or after a plain `colcon build` by hand.
    """
    folders = [workspace.root / name for name in (*_SOURCES, 'config')]
    inputs = _inputs(workspace, folders, linked=_is_linked(workspace))
    return stamps.digest([*inputs, workspace.root / 'colcon.meta'])


def _is_linked(workspace: Workspace) -> bool:
    """Tell whether the installed Python packages are links to their sources."""
    names = [path.parent.name for path in workspace.root.glob('src/*/setup.py')]
    scripts = [workspace.install / name / 'share' / name / 'package.dsv' for name in names]
    return all(path.exists() and 'pythonpath_develop' in path.read_text() for path in scripts)


def _inputs(workspace: Workspace, folders: list[Path], *, linked: bool) -> Iterator[str | Path]:
    """List what a build depends on: names of all files, contents of those that it reads."""
    yield workspace.record
    for folder in folders:
        for path in _walk(folder):
            read = any(path.match(pattern) for pattern in _READ_BY_BUILD)
            module = path.suffix == '.py' and folder.name == 'src' and not read
            if not (module and linked):
                yield str(path.relative_to(workspace.root))
            if read or not linked:
                yield path


def _walk(folder: Path) -> Iterator[Path]:
    """List the files below a folder that may matter to a build, in a fixed order."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith('.')
            and name not in ('__pycache__', 'test')
            and not name.endswith('.egg-info')
        )
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith('.'))


def _colcon(
    workspace: Workspace,
    arguments: list[str],
    *,
    build_base: Path,
    env: Mapping[str, str],
    label: str,
    log: str,
    total: int,
) -> float:
    """Run `colcon build`; return the seconds it took."""
    finished: set[str] = set()
    running: list[str] = []

    def describe(line: str) -> str | None:
        match = re.match(r'(Starting >>>|Finished <<<|Failed   <<<|Aborted  <<<) (\S+)', line)
        if match is None:
            return None
        if match[1].startswith('Starting'):
            running.append(match[2])
        else:
            finished.add(match[2])
            if match[2] in running:
                running.remove(match[2])
        return f'{len(finished)}/{total} packages, {" ".join(running)}'

    argv = [str(workspace.python), '-m', 'colcon', '--log-base', str(workspace.root / 'log')]
    argv += ['build', '--build-base', str(build_base), *arguments]
    argv += ['--event-handlers', 'console_cohesion-', 'desktop_notification-', 'status-']
    return run_quietly(
        argv,
        label=label,
        task='colcon build',
        log=workspace.logs / log,
        describe=describe,
        env=env,
        cwd=workspace.root,
    )


def _forget_copies(workspace: Workspace) -> None:
    """
    Remove what a plain `colcon build` by hand left in build/ and a symlink install trips over.

    ament_cmake_python then wants a link where the plain build has made a folder.
    """
    for path in (workspace.root / 'build').glob('*/ament_cmake_python/*/*'):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def _mend_shebangs(workspace: Workspace) -> None:
    """
    Make entry scripts startable where the path of .venv holds a blank.

    The kernel takes a script's interpreter to end at the first blank, quotes or not.
    """
    for script in workspace.install.glob('*/lib/*/*'):
        if script.is_file() and not script.is_symlink():
            text = script.read_bytes()
            if text.startswith(b'#!"') or (text.startswith(b'#!/') and b'python' in text[:200]):
                script.write_bytes(re.sub(rb'^#!.*', b'#!/usr/bin/env python3', text, count=1))
