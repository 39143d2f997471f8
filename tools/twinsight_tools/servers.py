"""`make servers` and `make stop`: starts the servers in the background, and ends them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import fcntl
import os

from . import identity, missing, postgres, processes, redis_server, reductstore, state
from .launch import free_again, free_port, Kind, Program, remove_container, wait_until_ready
from .messages import say, ToolError
from .state import Entry
from .workspace import here, Workspace

# Every server of the suite; one more is one module and one more entry here.
KINDS: tuple[Kind, ...] = (reductstore.SERVER, postgres.SERVER, redis_server.SERVER)

# A server brings what it holds to the disk; before that ReductStore waits 10 s for its clients.
END_TIMEOUT_S = 60.0


def lacking(env: Mapping[str, str]) -> list[str]:
    """Name the system packages missed by servers that would have to be built."""
    ours = [kind for kind in KINDS if not env.get(kind.variable)]
    return [text for kind in ours for text in kind.lacking(env)]


def provide(env: Mapping[str, str], workspace: Workspace) -> None:
    """Find or build every server's program, and say which."""
    for kind in KINDS:
        url = env.get(kind.variable)
        if url:
            say(kind.title, f'{url} (from {kind.variable})')
        else:
            say(kind.title, kind.provide(env, workspace.logs).text)


def start(env: Mapping[str, str], workspace: Workspace) -> None:
    """Start what does not run yet; what runs stays, and its URL is printed again."""
    with _alone(workspace):
        for kind in KINDS:
            url = env.get(kind.variable)
            if url and not _is_ours(url, workspace):
                _check_given(kind, url)
            else:
                _start_one(kind, env, workspace)


def _check_given(kind: Kind, url: str) -> None:
    if not kind.ready(url):
        raise ToolError(
            f'no {kind.title} answers at {url} ({kind.variable}): start it, or unset the variable'
        )
    say(kind.title, f'{url} (from {kind.variable}, nothing started)')


def _start_one(kind: Kind, env: Mapping[str, str], workspace: Workspace) -> None:
    before = state.read(workspace).get(kind.name)
    if before and identity.same(before.pid, before.process_start):
        if kind.ready(before.url):
            say(kind.title, f'{before.url} (running, pid {before.pid}, {before.found})')
            return
        say(kind.title, f'pid {before.pid} runs but does not answer at {before.url}: ending it')
        _end(kind, before)
    if before:
        say(kind.title, f'pid {before.pid} is gone: starting again on the same data')
        remove_container(before.container)
    missing.refuse(kind.lacking(env))
    program = kind.provide(env, workspace.logs)
    entry = _start_process(kind, program, workspace, before)
    say(kind.title, f'{entry.url} (started, pid {entry.pid}, {entry.found})')


def _start_process(
    kind: Kind, program: Program, workspace: Workspace, before: Entry | None
) -> Entry:
    """Start a server in the background; return its entry, also put into the state file."""
    port = free_again(before.port) if before else free_port(kind.usual_port)
    launch = kind.launch(program, workspace.state / kind.name, port, None)
    launch.clear()
    log = workspace.logs / f'{kind.name}.log'
    pid = processes.start_detached(launch.argv, launch.env, log)
    started = identity.start_time(pid)
    entry = Entry(
        kind.variable, launch.url, pid, started or 0, port, str(log), program.text,
        launch.container,
    )  # fmt: skip
    # Before the wait: a `make servers` that is interrupted there leaves its server on record.
    state.write(workspace, {**state.read(workspace), kind.name: entry})
    wait_until_ready(kind, entry.url, lambda: identity.same(pid, entry.process_start), log)
    return entry


def stop(workspace: Workspace) -> None:
    """End every server that `start` started; fine where none runs."""
    with _alone(workspace):
        entries = state.read(workspace)
        for kind in KINDS:
            entry = entries.pop(kind.name, None)
            if entry is None:
                say(kind.title, 'not running')
                continue
            if identity.same(entry.pid, entry.process_start):
                clean = _end(kind, entry)
                say(kind.title, f'{"ended" if clean else "killed"} pid {entry.pid} ({entry.url})')
            else:
                say(kind.title, f'pid {entry.pid} was gone already')
            remove_container(entry.container)
            state.write(workspace, entries)


def _end(kind: Kind, entry: Entry) -> bool:
    """End a server; True where it ended in good order."""
    return processes.end(
        entry.pid, entry.process_start, first=kind.stop_signal, timeout_s=END_TIMEOUT_S
    )


def _is_ours(url: str, workspace: Workspace) -> bool:
    """Tell whether a URL in the environment is one of ours, as `tools/env` sets it."""
    return url in {entry.url for entry in state.read(workspace).values()}


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    workspace.state.mkdir(parents=True, exist_ok=True)
    with (workspace.state / 'servers.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(prog='servers', description=__doc__)
    parser.add_argument('action', choices=('start', 'stop'))
    action = parser.parse_args().action
    workspace = here()
    if action == 'start':
        start(os.environ, workspace)
    else:
        stop(workspace)
    return 0
