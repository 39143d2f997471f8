from __future__ import annotations

import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

from twinsight_tools import identity, processes

TOOLS = Path(__file__).resolve().parents[1]

STUBBORN = [
    sys.executable, '-c',
    'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True);'
    'time.sleep(60)',
]  # fmt: skip


def gone_within(pid: int, started: int, seconds: float) -> bool:
    deadline_s = time.monotonic() + seconds
    while identity.same(pid, started):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


def started_at(pid: int) -> int:
    started = identity.start_time(pid)
    assert started is not None
    return started


def test_end_is_gentle_first(tmp_path: Path) -> None:
    pid = processes.start_detached(['sleep', '60'], os.environ, tmp_path / 'log')
    assert processes.end(pid, started_at(pid))


def test_end_turns_to_force(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    pid = processes.start_detached(STUBBORN, os.environ, log)
    while not log.read_text():
        time.sleep(0.01)
    assert not processes.end(pid, started_at(pid), timeout_s=0.2)
    assert identity.start_time(pid) is None


def test_end_spares_a_process_that_has_only_the_pid() -> None:
    with subprocess.Popen(['sleep', '60']) as child:
        assert processes.end(child.pid, started_at(child.pid) - 1)
        assert child.poll() is None
        child.kill()


def test_a_tied_process_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        'import os, pathlib, sys, time\n'
        'from twinsight_tools import processes\n'
        "child = processes.start_tied(['sleep', '60'], os.environ, pathlib.Path(sys.argv[1]))\n"
        'print(child.pid, flush=True)\n'
        'time.sleep(60)\n'
    )
    parent = subprocess.Popen(
        [sys.executable, '-c', code, str(tmp_path / 'log')],
        stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': str(TOOLS)},
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    started = started_at(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert gone_within(pid, started, 30.0)


def test_a_tied_process_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    children = []
    thread = threading.Thread(
        target=lambda: children.append(
            processes.start_tied(['sleep', '60'], os.environ, tmp_path / 'log')
        )
    )
    thread.start()
    thread.join()
    (child,) = children
    time.sleep(0.3)
    assert child.poll() is None
    child.kill()
    child.wait()
