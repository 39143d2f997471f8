"""A display for a long step: one rewriting line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

from .messages import LABEL_WIDTH

TERMINAL_PERIOD_S = 0.2
LOG_PERIOD_S = 15.0


def elapsed(seconds: float) -> str:
    """`8 s`, `2 min 05 s`."""
    whole = int(seconds)
    return f'{whole} s' if whole < 60 else f'{whole // 60} min {whole % 60:02} s'


class Progress:
    """Shows elapsed time and what is being done. `tick` must be called several times a second."""

    def __init__(self, label: str, task: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._prefix = f'{label:<{LABEL_WIDTH}}{task}'
        self._started_s = time.monotonic()
        self._period_s = TERMINAL_PERIOD_S if self._terminal else LOG_PERIOD_S
        self._next_s = self._started_s + self._period_s
        self.detail = ''

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started_s

    def tick(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._period_s
        line = f'{self._prefix}, {elapsed(self.elapsed_s)}'
        line += f': {self.detail}' if self.detail else ''
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f'\r\x1b[K{line[:width]}')
        else:
            self._stream.write(f'{line}\n')
        self._stream.flush()

    def clear(self) -> None:
        """Take the rewriting line away, so that the next output starts in an empty line."""
        if self._terminal:
            self._stream.write('\r\x1b[K')
            self._stream.flush()
