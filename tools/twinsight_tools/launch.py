"""How a server is started, whichever it is; one more server is one more module that says this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
import signal
import socket
import subprocess
import time
from typing import Protocol

from .messages import ToolError

READY_TIMEOUT_S = 60.0
PORT_TIMEOUT_S = 10.0  # a killed process holds its port until its last thread has gone


@dataclass(frozen=True)
class Program:
    """Where a server comes from: a binary, or a container image. `text` is for the user."""

    text: str
    binary: Path | None = None
    image: str = ''


@dataclass(frozen=True)
class Launch:
    """
    One start of a server.

    `container` names what a killed `docker run` may leave behind; `end_leftovers` ends processes
    that a killed server started and left behind.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    port: int
    url: str
    container: str = ''
    end_leftovers: Callable[[], None] = lambda: None

    @property
    def death_signal(self) -> signal.Signals:
        # `docker run` passes SIGTERM on to its container and would leave it behind on SIGKILL.
        return signal.SIGTERM if self.container else signal.SIGKILL

    def clear(self) -> None:
        """Take away what a killed server may have left behind."""
        remove_container(self.container)
        self.end_leftovers()


class Kind(Protocol):
    """What a module says about its server."""

    name: str
    title: str
    variable: str
    usual_port: int
    stop_signal: signal.Signals  # asks it to end at once, in good order

    def locate(self, env: Mapping[str, str]) -> Program | None:
        """Find the program at hand; None where it has to be built or fetched first."""
        ...

    def provide(self, env: Mapping[str, str], logs: Path) -> Program:
        """Return the program, built or fetched if need be; ToolError where that fails."""
        ...

    def lacking(self, env: Mapping[str, str]) -> list[str]:
        """Name the system packages that `provide` would miss."""
        ...

    def launch(self, program: Program, data: Path, port: int, token: str | None) -> Launch:
        """Make the command for one start on `data`; no token means no authentication."""
        ...

    def ready(self, url: str) -> bool:
        """Tell whether the server answers requests."""
        ...


def free_port(*preferred: int | None) -> int:
    """Find the first of `preferred` that is free on loopback, else any free port."""
    for port in (*preferred, 0):
        if port is not None and (found := _bound(port)) is not None:
            return found
    raise ToolError('no free port on 127.0.0.1')


def free_again(port: int) -> int:
    """Wait a little for the port of a server that has just died, else find any free one."""
    deadline_s = time.monotonic() + PORT_TIMEOUT_S
    while _bound(port) is None:
        if time.monotonic() > deadline_s:
            return free_port()
        time.sleep(0.02)
    return port


def hold_free_port() -> socket.socket:
    """
    Bind a free port on loopback for a server that is still to come, or that is away for a while.

    Until the socket is closed the system gives the port to nobody who asks for any free one. It
    does not listen, so a server that reuses addresses, as ours do, binds the port all the same.
    """
    holder = _reusing()
    try:
        holder.bind(('127.0.0.1', 0))
    except OSError as error:
        holder.close()
        raise ToolError('no free port on 127.0.0.1') from error
    return holder


def _bound(port: int) -> int | None:
    """Return the port, or for 0 a free one, where a server could bind it now."""
    with _reusing() as probe:
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


def _reusing() -> socket.socket:
    """Make a socket for which a port counts as free whose last connections linger."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def wait_until_ready(kind: Kind, url: str, alive: Callable[[], bool], log: Path) -> None:
    """Wait until the server answers; ToolError when it ends or stays silent."""
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while not kind.ready(url):
        if not alive():
            raise ToolError(f'{kind.title} ended while starting: {_last_line(log)} (log: {log})')
        if time.monotonic() > deadline_s:
            raise ToolError(
                f'{kind.title} did not answer at {url} in {READY_TIMEOUT_S:.0f} s; see {log}'
            )
        time.sleep(0.02)


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors='replace').split('\n')
    except OSError:
        return 'no output'
    return next((line.strip() for line in reversed(lines) if line.strip()), 'no output')


def remove_container(name: str) -> None:
    """Remove a container and whatever runs in it; fine where there is none."""
    if name:
        subprocess.run(['docker', 'rm', '--force', name], capture_output=True, timeout=60)
