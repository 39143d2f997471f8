"""One program of tools/viewers: commands to it, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
import itertools
import json
import os
from pathlib import Path
import subprocess
import threading
import time
from typing import Any, TypeVar

from twinsight_tools import viewers
from twinsight_tools.viewers import Viewers

from .values import plain, revived

Value = TypeVar('Value')
Event = dict[str, Any]
TIMEOUT_S = 30.0
_TAIL_LINES = 15
_END_S = 10.0
_POLL_S = 0.02  # a condition may look at more than the program's events


class ViewerError(AssertionError):
    """A viewer was refused something, ended, or did not see in time what a test waits for."""


class ViewerProgram:
    """
    A running program of tools/viewers.

    ``take`` gets each event in a thread of its own, with the lock held that ``wait_for`` takes;
    what it changes may be read in a condition of ``wait_for``.
    """

    def __init__(
        self,
        found: Viewers,
        script: str,
        arguments: Sequence[str],
        log: Path,
        take: Callable[[Event], None],
    ) -> None:
        self._name, self._log, self._take = script, log, take
        self._numbers = itertools.count(1)
        self._answers: dict[int, Event] = {}
        self._changed = threading.Condition()
        self._ended = False
        with log.open('wb') as errors:
            self._process = subprocess.Popen(
                [str(found.node), str(viewers.SCRIPTS / script), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, 'NODE_PATH': str(found.modules)},
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def command(self, op: str, *, timeout_s: float = TIMEOUT_S, **fields: object) -> Any:
        """Return what a command brings; raise ViewerError where it is refused."""
        number = next(self._numbers)
        line = json.dumps({'id': number, 'op': op, **plain(fields)}) + '\n'
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError as error:
            raise ViewerError(f'{self._name} has ended:\n{self._tail()}') from error
        answer = self.wait_for(lambda: self._answers.pop(number, None), f'answer to {op}',
                               timeout_s)  # fmt: skip
        if answer['event'] == 'failed':
            raise ViewerError(f'{op}: {answer["error"]}')
        return answer.get('result')

    def wait_for(
        self,
        condition: Callable[[], Value | None],
        what: str = 'what the test waits for',
        timeout_s: float = TIMEOUT_S,
    ) -> Value:
        """Return the condition's value once it is true; raise ViewerError where it never is."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while not (value := condition()):
                left_s = end - time.monotonic()
                if self._ended:
                    raise ViewerError(f'{self._name} ended before {what}:\n{self._tail()}')
                if left_s <= 0:
                    raise ViewerError(f'no {what} within {timeout_s:g} s:\n{self._tail()}')
                self._changed.wait(min(left_s, _POLL_S))
        return value

    def close(self) -> None:
        """End it; fine where it has ended."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()  # it ends with its input, and takes what it made with it
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                event = json.loads(line, object_hook=revived)
                with self._changed:
                    if event['event'] in ('done', 'failed'):
                        self._answers[event['id']] = event
                    else:
                        self._take(event)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _tail(self) -> str:
        return '\n'.join(self._log.read_text(errors='replace').splitlines()[-_TAIL_LINES:])
