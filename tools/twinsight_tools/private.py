"""A server of one's own: started by a test or a demo, and gone with it."""

from __future__ import annotations

from pathlib import Path
import signal
import socket
import subprocess
from types import TracebackType

from . import processes
from .launch import free_port, hold_free_port, Kind, Launch, Program, wait_until_ready
from .messages import ToolError

STOP_TIMEOUT_S = 15.0
START_ATTEMPTS = 3


class PrivateServer:
    """
    One server process on loopback, tied to the life of this process.

    `url` and `port` stay the same over `kill`, `stop` and `restart`; `pid` changes. While the
    server is away, its port is kept for it until the block ends.
    """

    def __init__(
        self,
        kind: Kind,
        program: Program,
        data: Path,
        *,
        port: int | None = None,
        token: str | None = None,
        log: Path,
    ) -> None:
        self._kind = kind
        self._program = program
        self._data = data.absolute()
        self._port = port
        self._token = token
        self._process: subprocess.Popen[bytes] | None = None
        self._launch: Launch | None = None
        self._holder: socket.socket | None = None
        self.log = log

    def __enter__(self) -> PrivateServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._let_go()

    @property
    def url(self) -> str:
        if self._launch is None:
            raise ToolError(f'{self._kind.title} was not started')
        return self._launch.url

    @property
    def port(self) -> int | None:
        return self._port

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers."""
        if self.pid is not None:
            return
        attempts = 1 if self._port else START_ATTEMPTS
        for attempt in range(attempts):
            try:
                self._start_on(self._port or self._choose_port())
                return
            except ToolError:
                # Another program may have taken the port, where it could not be held.
                self.kill()
                if attempt + 1 == attempts:
                    if self._port is None:
                        self._let_go()
                    raise

    def _choose_port(self) -> int:
        self._let_go()
        if self._program.image:  # how a container engine binds a port is not ours to know
            return free_port()
        self._holder = hold_free_port()
        return int(self._holder.getsockname()[1])

    def _let_go(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def _start_on(self, port: int) -> None:
        if free_port(port) != port:
            # Whatever has the port might answer in place of our server, which ends only later.
            raise ToolError(f'port {port} on 127.0.0.1 is taken: {self._kind.title} cannot start')
        launch = self._kind.launch(self._program, self._data, port, self._token)
        launch.clear()
        self._launch = launch
        self._process = process = processes.start_tied(
            launch.argv, launch.env, self.log, death_signal=launch.death_signal
        )
        wait_until_ready(self._kind, launch.url, lambda: process.poll() is None, self.log)
        self._port = port

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a power cut would; fine where none runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._launch is not None:
            self._launch.clear()

    def stop(self) -> None:
        """End the server in good order, and by force where that takes too long."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(self._kind.stop_signal)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        elif self._process.returncode == -signal.SIGKILL:
            self.kill()  # whoever killed it has not taken away what it left behind

    def restart(self) -> None:
        """Start a killed, stopped or running server anew, on the same port and data."""
        self.stop()
        self.start()
