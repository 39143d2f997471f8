"""A program that the demo starts and ends, with its output in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
import signal
import subprocess
import time
from types import TracebackType

from twinsight_tools.messages import ToolError

_POLL_S = 0.05


class Child:
    """
    One process; ended at the latest when the block ends.

    Its standard output and error go into ``<folder>/<name>.out`` and ``.err``.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.out = folder / f'{name}.out'
        self.err = folder / f'{name}.err'
        with self.out.open('wb') as out, self.err.open('wb') as err:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env
            )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def text(self) -> str:
        """Return what it printed so far, standard error first."""
        return self.err.read_text() + self.out.read_text()

    @property
    def pid(self) -> int:
        """Return the number of its process."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Return its exit code; None while it runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """Return whether it has not ended yet."""
        return self.code is None

    def wait_for(self, text: str, timeout_s: float = 30.0) -> None:
        """Return when the text stands in its output; raise ToolError where it does not come."""
        end = time.monotonic() + timeout_s
        while text not in self.text():
            if not self.running:
                raise ToolError(f'{self.name} ended early:\n{self._tail()}')
            if time.monotonic() > end:
                raise ToolError(f'{self.name} did not say {text!r} in time:\n{self._tail()}')
            time.sleep(_POLL_S)

    def end(self, timeout_s: float, ask: signal.Signals | None = None) -> int:
        """
        Return its exit code after it ended; ``ask`` is the signal to end it with.

        Raises ToolError where it takes too long.
        """
        if ask is not None and self.running:
            self._process.send_signal(ask)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ToolError(f'{self.name} did not end in time:\n{self._tail()}') from error

    def kill(self) -> None:
        """End it at once (SIGKILL) where it still runs."""
        if self.running:
            self._process.kill()
        self._process.wait()

    def finish(self, timeout_s: float, ask: signal.Signals | None = None) -> str:
        """Return its standard output after it ended well; raise ToolError where it failed."""
        code = self.end(timeout_s, ask)
        if code != 0:
            raise ToolError(f'{self.name} failed ({code}):\n{self._tail()}')
        return self.out.read_text()

    def _tail(self) -> str:
        return '\n'.join(self.text().splitlines()[-15:])


def executable(package: str, name: str, *arguments: str) -> list[str]:
    """Return the command that runs a package's executable in this environment."""
    run = Path(__file__).parent.parent / 'run'
    return [str(run), package, name, *arguments]
