"""The keys of a terminal, each as it is pressed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
import os
import re
import select
import termios
from typing import Any

# Whole sequences, Alt with a key, a sequence that is not whole, any other byte.
_KEYS = re.compile(rb'\x1b[\[O][0-?]*[@-~]|\x1b[^\[O\x1b]|\x1b(?:[\[O][0-?]*)?|[^\x1b]')
_HALF = re.compile(rb'\x1b(?:[\[O][0-?]*)?')
_HALF_S = 0.1  # what follows the beginning of a sequence after so long is another key
_LOOK_S = 0.5
_LFLAG, _CC = 3, 6  # places in what termios gives


class TerminalKeys:
    """
    The keys of a terminal; iterated over in one thread, ended by another.

    It takes the terminal while the process is in the foreground: keys come at once and are not
    shown; Ctrl-C and Ctrl-Z do what they always do. In the background, where reading would stop
    the process, it leaves the terminal alone. No signal tells a thread when that changes, so it
    looks twice a second. A shell sets the terminal as it wants it when a job is suspended; back
    in the foreground it is taken again.
    """

    def __init__(self, fd: int) -> None:
        """Take the terminal, where the process is in the foreground."""
        self._fd = fd
        self._found: list[Any] | None = None
        self._out, self._in = os.pipe()
        self._take()

    def __iter__(self) -> Iterator[bytes]:
        """
        Give keys until stop(), or until the terminal is gone.

        A key is a byte, or an escape sequence; those of the arrows begin with ESC [.
        """
        half = b''
        with suppress(OSError, termios.error):  # the terminal is gone
            while True:
                fds = [self._out, self._fd] if self._take() else [self._out]
                ready, _, _ = select.select(fds, [], [], _HALF_S if half else _LOOK_S)
                if self._out in ready:
                    return
                if self._fd not in ready:
                    half = b''
                elif self._take():  # it may have been suspended meanwhile
                    data = os.read(self._fd, 1024)
                    if not data:
                        return
                    keys, half = split_keys(half + data)
                    yield from keys

    def stop(self) -> None:
        """End the iteration; from any thread."""
        os.write(self._in, b'\0')

    def close(self) -> None:
        """Give the terminal back as it was found; after the iteration."""
        os.close(self._in)
        os.close(self._out)
        if self._found and self._is_foreground():
            with suppress(termios.error):  # it is gone
                # Keys that were not read are dropped, so that they do not go to the shell.
                termios.tcsetattr(self._fd, termios.TCSAFLUSH, self._found)

    def _take(self) -> bool:
        """Set the terminal, if it is not set so; return whether it is there to be read."""
        if not self._is_foreground():
            return False
        found = termios.tcgetattr(self._fd)
        wanted = [*found[:_CC], list(found[_CC])]
        wanted[_LFLAG] &= ~(termios.ICANON | termios.ECHO)
        wanted[_CC][termios.VMIN], wanted[_CC][termios.VTIME] = 1, 0
        if wanted != found:
            self._found = found
            termios.tcsetattr(self._fd, termios.TCSANOW, wanted)
        return True

    def _is_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:  # it is not the terminal that controls this process
            return True


def split_keys(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the keys of what was read, and the beginning of a sequence at its end."""
    keys = _KEYS.findall(data)
    half = keys.pop() if keys and _HALF.fullmatch(keys[-1]) else b''
    return [key.replace(b'\x1bO', b'\x1b[') for key in keys], half
