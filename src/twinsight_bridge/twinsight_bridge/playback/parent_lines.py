"""Lines of JSON between a session's process and the one that started it."""

from __future__ import annotations

from collections.abc import Iterator
import json
import os
import threading
from typing import Any

MOST_BYTES = 1_000_000
"""A line is not longer."""

_STDIN, _STDOUT, _STDERR = range(3)


class ParentLines:
    """
    Reads from standard input, and writes to what was standard output.

    What libraries print goes to standard error from now on, so that it is never taken for a
    line. Reading goes past Python's buffers, whose lock a thread that waits in them keeps while
    the process ends.
    """

    def __init__(self) -> None:
        self._out = os.dup(_STDOUT)
        os.dup2(_STDERR, _STDOUT)
        self._lock = threading.Lock()
        self._rest = b''

    def tell(self, line: dict[str, Any]) -> None:
        """Write a line; raises OSError where nobody reads it any more."""
        data = json.dumps(line).encode() + b'\n'
        with self._lock:
            while data:
                data = data[os.write(self._out, data):]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give the lines until the other side is gone."""
        while True:
            line, newline, self._rest = self._rest.partition(b'\n')
            if newline:
                yield json.loads(line)
                continue
            more = os.read(_STDIN, 65536)
            if not more or len(line) > MOST_BYTES:
                return
            self._rest = line + more
