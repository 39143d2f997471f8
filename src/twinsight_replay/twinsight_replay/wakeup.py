"""Waking a thread that waits, from other threads and from signal handlers."""

from __future__ import annotations

from contextlib import suppress
import os
import select


class Wakeup:
    """
    A flag that a thread waits for; setting it takes no lock, so a signal handler may.

    pending  whether it was set; cheap to look at

    The pipe is never full of what is not pending, or who waits for a time would never sleep: so
    it is filled before and emptied after ``pending`` changes.
    """

    def __init__(self) -> None:
        self.pending = False
        self._out, self._in = os.pipe()
        for end in (self._out, self._in):
            os.set_blocking(end, False)

    def set(self) -> None:
        """Wake the thread that waits, or that will."""
        with suppress(BlockingIOError):  # it is full, so it wakes
            os.write(self._in, b'\0')
        self.pending = True

    def clear(self) -> None:
        """Wait for the next one; what was set before has been seen."""
        self.pending = False
        with suppress(BlockingIOError):
            while os.read(self._out, 4096):
                pass

    def fileno(self) -> int:
        """Return what select() takes; it is readable while it is set."""
        return self._out

    def wait(self, timeout_s: float | None = None) -> None:
        """Return when it is set, or after a time."""
        select.select([self._out], [], [], timeout_s)

    def close(self) -> None:
        """Give the pipe back; set() is not to be called any more."""
        os.close(self._out)
        os.close(self._in)
