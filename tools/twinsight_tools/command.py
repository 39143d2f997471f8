"""Runs a long command quietly: its output goes to a log file, its progress to the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import os
from pathlib import Path
import re
import select
import signal
import subprocess

from . import processes
from .messages import ToolError
from .progress import Progress

TAIL_LINES = 15
Describe = Callable[[str], 'str | None']


def run_quietly(
    argv: Sequence[str],
    *,
    label: str,
    task: str,
    log: Path,
    describe: Describe,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> float:
    """
    Run `argv` to its end and return the seconds it took.

    `describe` sees each line of the output and may return what to show as the present state.
    Fails with ToolError, which names the log and carries the last lines of the output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(label, task)
    with log.open('wb') as sink:
        # Tied: a set-up that is killed leaves no build behind that the next one would run into.
        process = subprocess.Popen(
            processes.tied(argv, signal.SIGTERM),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
        )
        try:
            _follow(process, sink.write, describe, progress)
        finally:
            progress.clear()
            if process.poll() is None:
                process.terminate()
            code = process.wait()
    if code != 0:
        raise ToolError(f'{task} failed (exit code {code}); whole output: {log}\n{_tail(log)}')
    return progress.elapsed_s


def _follow(
    process: subprocess.Popen[bytes],
    keep: Callable[[bytes], object],
    describe: Describe,
    progress: Progress,
) -> None:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    rest = b''
    while True:
        if select.select([descriptor], [], [], 0.2)[0]:
            data = os.read(descriptor, 65536)
            if not data:
                break
            keep(data)
            # Progress bars of the commands themselves end their lines with a carriage return.
            *lines, rest = re.split(rb'[\r\n]+', rest + data)
            for line in lines:
                shown = describe(line.decode(errors='replace'))
                if shown is not None:
                    progress.detail = shown
        progress.tick()
    process.wait()


def _tail(log: Path) -> str:
    lines = [line for line in log.read_text(errors='replace').splitlines() if line.strip()]
    return '\n'.join(f'  {line}' for line in lines[-TAIL_LINES:])
