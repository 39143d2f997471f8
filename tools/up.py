"""`tools/up`: starts the stack of launch/stack.yaml where `ros2 launch` is absent."""

from __future__ import annotations

import os
from pathlib import Path
import sys
from tempfile import TemporaryDirectory

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError
import stack
from stack import Stack
from supervisor import Output, Supervisor

from twinsight_tools import run
from twinsight_tools.messages import exit_code_of, UsageError
from twinsight_tools.workspace import here, Workspace

HELP = """\
usage: tools/up [NAME:=VALUE ...]
       tools/up --show-args
       tools/up --help

Starts the nodes of launch/stack.yaml, each as a process of its own, as
`ros2 launch twinsight_launch twinsight.launch.py` does with the same arguments. Ctrl-C stops all.

options:
  -s, --show-args  print the arguments, their meaning and their defaults

example, recording a simulated robot:
  tools/up robot_id:=robot_05 mission_id:=shelf_run sim:=true
"""


def main() -> int:
    """Show help or the arguments, or run the stack to its end."""
    words = sys.argv[1:]
    if words in (['-h'], ['--help']):
        print(HELP, end='')
        return 0
    workspace = here()
    described = stack.read(workspace.root / 'launch' / 'stack.yaml')
    if words in (['-s'], ['--show-args']):
        print(arguments_text(described))
        return 0
    return start(described, words, dict(os.environ), workspace)


def start(described: Stack, words: list[str], env: dict[str, str], workspace: Workspace) -> int:
    """Run the nodes that the arguments choose; return the exit code of this command."""
    scope = described.scope(words, find_share, env)
    check_dds_profile(scope.values['dds_profile'])
    env.update(described.environment(scope))
    plans = described.processes(scope)
    if not plans:
        raise UsageError('no part of the stack is on; switch one on, for example sim:=true')
    output = Output()
    if output.coloured:
        env.setdefault('RCUTILS_COLORIZED_OUTPUT', '1')
    with TemporaryDirectory(prefix='twinsight_up_') as folder:
        commands = []
        for plan in plans:
            path = run.find(env, workspace.install, plan.package, plan.executable)
            commands.append((plan, [str(path), *plan.words(Path(folder))]))
        return Supervisor(output).run(commands, env)


def arguments_text(described: Stack) -> str:
    """Describe the arguments as `ros2 launch --show-args` does."""
    entries = [
        f"    '{argument.name}':\n        {argument.description}\n"
        f"        (default: '{argument.default}')"
        for argument in described.arguments
    ]
    return '\n\n'.join(["Arguments (pass arguments as '<name>:=<value>'):", *entries])


def check_dds_profile(path: str) -> None:
    """Refuse a profile that does not exist: Fast DDS would complain and go on without it."""
    if path != 'none' and not Path(path).is_file():
        raise UsageError(
            f'dds_profile:={path}: no such file; give a Fast DDS profile that exists, or none'
        )


def find_share(package: str) -> Path:
    """Return the share folder of a package; raises UsageError where it is not built."""
    try:
        return Path(get_package_share_directory(package))
    except PackageNotFoundError as error:
        raise UsageError(f"no package '{package}' here: run `make build`") from error


if __name__ == '__main__':
    sys.exit(exit_code_of(main))
