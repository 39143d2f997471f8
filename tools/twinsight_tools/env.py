"""`tools/env`: prints the workspace's environment for a shell, or runs a command in it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys

from .environment import environment
from .messages import UsageError
from .workspace import here

HELP = """\
usage: source <(tools/env)
       tools/env COMMAND [ARGS...]

Without a command, prints the workspace's environment as `export` lines for a shell; with one,
runs it in that environment.

example:
  tools/env python -c 'import rclpy; print(rclpy.__file__)'
"""


def main() -> int:
    arguments = sys.argv[1:]
    if arguments in (['--help'], ['-h']):
        print(HELP, end='')
        return 0
    env = environment(here())
    if not arguments:
        for name in sorted(env):
            if env[name] != os.environ.get(name):
                print(f'export {name}={shlex.quote(env[name])}')
        for name in sorted(os.environ.keys() - env.keys()):
            print(f'unset {name}')
        return 0
    command = shutil.which(arguments[0], path=env['PATH'])
    if command is None:
        raise UsageError(f"no command '{arguments[0]}' in the workspace's environment")
    return os.execve(command, arguments, env)
