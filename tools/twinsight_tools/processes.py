"""Starts and ends processes, by their own id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from .identity import same

# Linux sends a child its death signal when the *thread* that started it ends, so tied children all
# come from this one thread, which lives as long as the interpreter.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix='spawner')

# Runs in a fresh interpreter that then becomes the program: code between fork and exec would not
# be safe where the parent has threads. PR_SET_PDEATHSIG is 1 in <linux/prctl.h>.
_TIE = """
import ctypes, os, sys
parent, number = int(sys.argv[1]), int(sys.argv[2])
ctypes.CDLL(None).prctl(1, number, 0, 0, 0)
if os.getppid() != parent:
    sys.exit(1)
os.execvp(sys.argv[3], sys.argv[3:])
"""

_KILLED_S = 30.0  # a process that waits for a disk ends when the disk has answered


def start_detached(argv: Sequence[str], env: Mapping[str, str], log: Path) -> int:
    """Start a process of its own session that outlives this one; return its pid."""
    return _start(argv, env, log).pid


def start_tied(
    argv: Sequence[str],
    env: Mapping[str, str],
    log: Path,
    *,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a process of its own session that gets `death_signal` when this process ends."""
    return _SPAWNER.submit(_start, tied(argv, death_signal), env, log).result()


def tied(argv: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """Wrap a command so that it gets `death_signal` when the thread that starts it ends."""
    start = [sys.executable, '-I', '-S', '-c', _TIE, str(os.getpid()), str(int(death_signal))]
    return [*start, *argv]


def _start(argv: Sequence[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('ab') as sink:
        return subprocess.Popen(
            list(argv),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(
    pid: int,
    started: int,
    *,
    first: signal.Signals = signal.SIGTERM,
    timeout_s: float = 10.0,
) -> bool:
    """End a process: `first`, and SIGKILL after `timeout_s`. True where `first` was enough."""
    for number, patience_s in ((first, timeout_s), (signal.SIGKILL, _KILLED_S)):
        if not same(pid, started):
            return True
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        deadline_s = time.monotonic() + patience_s
        while same(pid, started):
            if time.monotonic() > deadline_s:
                break
            time.sleep(0.02)
        else:
            return number is first
    return False
