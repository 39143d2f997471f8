"""`tools/run PKG EXE [ARGS...]`: what `ros2 run` does, for machines without it."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
import sys

from .environment import environment
from .messages import UsageError
from .workspace import here

HELP = """\
usage: tools/run PACKAGE EXECUTABLE [ARGS...]
       tools/run --list
       tools/run --help

Runs an executable of a ROS 2 package in the environment of this workspace, as `ros2 run` does.
Signals and the exit code are those of the executable itself.

Unless you set them, DDS discovery keeps to this machine (ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST),
and the URLs of the servers that `make servers` started are filled in (TWINSIGHT_REDUCT_URL).

example:
  tools/run twinsight_recorder recorder --ros-args -p robot_id:=robot_01
"""


def executables(install: Path) -> dict[str, list[str]]:
    """List the executables of each package that this workspace has built."""
    found = {
        name: list(_executables_of(install / name / 'lib' / name)) for name in _names(install)
    }
    return {package: names for package, names in found.items() if names}


def find(env: Mapping[str, str], install: Path, package: str, name: str) -> Path:
    """
    Find one executable, of any package in the ament index.

    Raises UsageError naming what there is instead.
    """
    for prefix in env.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        if Path(prefix, 'share/ament_index/resource_index/packages', package).exists():
            there = _executables_of(Path(prefix, 'lib', package))
            if name in there:
                return there[name]
            names = ', '.join(there) or 'none at all'
            raise UsageError(f"package '{package}' has no executable '{name}'; it has: {names}")
    packages = ', '.join(executables(install)) or 'none, run `make setup`'
    raise UsageError(f"no package '{package}' here; this workspace has: {packages}")


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _executables_of(folder: Path) -> dict[str, Path]:
    paths = [folder / name for name in _names(folder)]
    return {path.name: path for path in paths if path.is_file() and os.access(path, os.X_OK)}


def main() -> int:
    arguments = sys.argv[1:]
    if arguments in (['--help'], ['-h']):
        print(HELP, end='')
        return 0
    workspace = here()
    env = environment(workspace)
    if arguments == ['--list']:
        for package, names in executables(workspace.install).items():
            print('\n'.join(f'{package} {name}' for name in names))
        return 0
    if len(arguments) < 2 or arguments[0].startswith('-'):
        raise UsageError('tools/run needs PACKAGE EXECUTABLE; see tools/run --help')
    package, name, *rest = arguments
    path = find(env, workspace.install, package, name)
    return os.execve(path, [str(path), *rest], env)
