"""Makes the ROS 2 wheels fit for building on: two repairs, both idempotent."""

from __future__ import annotations

from pathlib import Path
import re

from . import atomic
from .messages import ToolError
from .workspace import Workspace

# The wheels were built in a container whose Python lay here; exported CMake targets still say so.
_BUILD_MACHINE = r'/opt/python/[^";/]+'
_PYTHON_INCLUDE = re.compile(_BUILD_MACHINE + r'/include/python3\.\d+')
_NUMPY_INCLUDE = re.compile(
    _BUILD_MACHINE + r'/lib/python3\.\d+/site-packages/numpy/(?:_core|core)/include'
)

_LOCAL_SETUP = """\
# Written by set-up: the ROS 2 wheels of this virtual environment as a prefix that workspaces can
# be built on. For everyday use, `source <(tools/env)` sets all that is needed.
_twinsight_add() {
  eval "_twinsight_old=\\"\\${$1:-}\\""
  case ":$_twinsight_old:" in
    *":$2:"*) ;;
    *) export "$1=$2${_twinsight_old:+:$_twinsight_old}" ;;
  esac
  unset _twinsight_old
}
_twinsight_add AMENT_PREFIX_PATH '@PREFIX@'
_twinsight_add CMAKE_PREFIX_PATH '@PREFIX@'
_twinsight_add LD_LIBRARY_PATH '@PREFIX@/lib'
unset -f _twinsight_add
"""


def repair(workspace: Workspace, python_include: str) -> int:
    """Rewrite the build machine's paths in exported CMake files; return how many changed."""
    numpy_include = _numpy_include(workspace)
    changed = 0
    for path in workspace.venv.glob('share/*/cmake/*.cmake'):
        text = path.read_text()
        fixed = _PYTHON_INCLUDE.sub(lambda _: python_include, text)
        fixed = _NUMPY_INCLUDE.sub(lambda _: numpy_include, fixed)
        if fixed != text:
            atomic.write(path, fixed)
            changed += 1
    return changed


def _numpy_include(workspace: Workspace) -> str:
    for site in workspace.site_packages():
        for name in ('_core', 'core'):
            include = site / 'numpy' / name / 'include'
            if include.is_dir():
                return str(include)
    raise ToolError(f'numpy is missing in {workspace.venv}: remove that folder and set up again')


def write_local_setup(workspace: Workspace) -> None:
    """Give .venv the `local_setup` files that colcon wants of every AMENT_PREFIX_PATH entry."""
    prefix = str(workspace.venv).replace("'", "'\\''")
    for shell in ('sh', 'bash', 'zsh'):
        target: Path = workspace.venv / f'local_setup.{shell}'
        target.write_text(_LOCAL_SETUP.replace('@PREFIX@', prefix))
