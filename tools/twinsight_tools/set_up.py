"""Brings a machine to where the workspace runs: .venv, underlay, build, servers' programs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
import fcntl
import os
import re

from . import building, missing, ros, servers, virtualenv
from .messages import say, ToolError
from .workspace import here, Workspace


def set_up(
    workspace: Workspace, *, dev: bool = False, rebuild: bool = False, with_servers: bool = True
) -> None:
    """Do what is left to do; each step ends at once when it finds its work done."""
    env = dict(os.environ)
    strange = re.search(r'[^\w ./@+,~-]', str(workspace.root))
    if strange:
        raise ToolError(
            f"ROS 2's build tools fail in a path that holds `{strange[0]}`: move "
            f'{workspace.root} elsewhere'
        )
    with _alone(workspace):
        found = ros.find(env, workspace)
        missing.refuse(
            [*missing.packages(found, env), *(servers.lacking(env) if with_servers else ())]
        )
        assert found.python is not None
        say('Python', f'{found.python.name} at {found.python.path}')
        say('ROS 2', found.text())
        virtualenv.ensure(workspace, found, env, dev=dev)
        building.build_underlay(workspace, env)
        building.build_workspace(workspace, env, always=rebuild)
        if with_servers:
            servers.provide(env, workspace)


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """Let one set-up run at a time in a checkout; a second one waits, then finds all done."""
    workspace.state.mkdir(exist_ok=True)
    with (workspace.state / 'set_up.lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('Set-up', 'another set-up runs in this checkout: waiting for it')
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(prog='set_up', description=__doc__)
    parser.add_argument('--dev', action='store_true', help='also what tests and linters need')
    parser.add_argument('--rebuild', action='store_true', help='build even if nothing changed')
    parser.add_argument('--no-servers', action='store_true', help='ROS 2 and the build only')
    chosen = parser.parse_args()
    set_up(here(), dev=chosen.dev, rebuild=chosen.rebuild, with_servers=not chosen.no_servers)
    return 0
