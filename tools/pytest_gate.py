"""A gate before a server, for tests of what waits for one that falls silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
import math
import socket
import threading

import pytest


class Gate:
    """Stands before a server and passes bytes on, but while it is shut; in threads."""

    def __init__(self, url: str, most_bytes: float = math.inf) -> None:
        """
        Make one before the server of a URL, open.

        most_bytes  after so many, more or less, it shuts by itself, once
        """
        self._port = int(url.rsplit(':', 1)[1])
        self._left_bytes = most_bytes
        self._may_pass = threading.Event()
        self._listening = socket.create_server(('127.0.0.1', 0))
        self.url = f'http://127.0.0.1:{self._listening.getsockname()[1]}'
        self.open()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def is_shut(self) -> bool:
        """Return whether it lets nothing through."""
        return not self._may_pass.is_set()

    def shut(self) -> None:
        """Let nothing through any longer."""
        self._may_pass.clear()

    def open(self) -> None:  # noqa: A003
        """Let through what waits, and what comes."""
        self._may_pass.set()

    def close(self) -> None:
        """Let everything through, and take no more connections."""
        self.open()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._listening.accept()
                try:
                    far = socket.create_connection(('127.0.0.1', self._port))
                except OSError:  # the server is away
                    near.close()
                    continue
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                self._left_bytes -= len(data)
                if self._left_bytes < 0:
                    self._left_bytes = math.inf
                    self.shut()
                self._may_pass.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            target.close()


@pytest.fixture
def gate() -> Iterator[Callable[..., Gate]]:
    """Return what makes a gate before the server of a URL."""
    made: list[Gate] = []

    def make(url: str, most_bytes: float = math.inf) -> Gate:
        made.append(Gate(url, most_bytes))
        return made[-1]

    yield make
    for each in made:
        each.close()
