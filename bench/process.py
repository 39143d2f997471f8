"""A measured process: started, watched and ended by its own id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
import ctypes
import os
from pathlib import Path
import select
import signal
import subprocess
import threading
import time
from types import TracebackType
from typing import NamedTuple

from twinsight_tools.messages import ToolError
from twinsight_tools.processes import tied

ROOT = Path(__file__).resolve().parents[1]
"""Where `-m bench.…` is found."""

SAMPLE_S = 0.5
_POLL_S = 0.02
_WATCH_S = 0.2
_END_S = 5.0


class Memory(NamedTuple):
    """
    What a process held at a time.

    at_s        monotonic
    rss         all resident memory in bytes, shared segments of DDS included
    anonymous   the part of it that is the process's own
    peak        the highest rss so far
    """

    at_s: float
    rss: int
    anonymous: int
    peak: int


class Process:
    """
    One process with pipes for standard input and output.

    With the block its input is closed, which ends those that read it; the others are killed.

    It also ends with this process, however that ends. ``memory`` is sampled every SAMPLE_S.
    Where nobody reads its lines, its output goes into the log, so that it never has to wait.
    """

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path,
        read: bool = True,
    ) -> None:
        self.name = name
        self.log = log
        self.memory: list[Memory] = []
        self._buffer = b''
        with log.open('wb') as errors:
            self._process = subprocess.Popen(
                tied(command, signal.SIGKILL), env=dict(env), cwd=ROOT, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE if read else errors, stderr=errors,
            )
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._process.stdin is not None and self._process.returncode is None:
            self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                # One that is killed leaves its shared memory behind, 141 MB with our profile.
                self._process.wait(_END_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._ended.set()
        self._sampler.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def line(self, timeout_s: float, beside: Process | None = None) -> str:
        """
        Return the next line of its output.

        Raises ToolError where none comes in time, or where the process beside it ends.
        """
        assert self._process.stdout is not None
        give_up_at = time.monotonic() + timeout_s
        while b'\n' not in self._buffer:
            if beside is not None and beside._process.poll() is not None:
                raise ToolError(f'{beside.name} ended early:\n{beside.tail()}')
            if time.monotonic() > give_up_at:
                raise ToolError(f'{self.name} said nothing for {timeout_s:g} s:\n{self.tail()}')
            if not select.select([self._process.stdout], [], [], _WATCH_S)[0]:
                continue
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise ToolError(f'{self.name} ended early:\n{self.tail()}')
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b'\n')
        return text.decode()

    def output(self, timeout_s: float) -> str:
        """
        Return the rest of its output, when it has ended by itself.

        Raises ToolError where that takes longer, or where it failed.
        """
        assert self._process.stdout is not None
        give_up_at = time.monotonic() + timeout_s
        while True:
            if time.monotonic() > give_up_at:
                raise ToolError(f'{self.name} did not end in {timeout_s:g} s:\n{self.tail()}')
            if not select.select([self._process.stdout], [], [], _WATCH_S)[0]:
                continue
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                break
            self._buffer += data
        if code := self._process.wait(_END_S):
            raise ToolError(f'{self.name} failed ({code}):\n{self.tail()}')
        text, self._buffer = self._buffer.decode(), b''
        return text

    def go(self) -> None:
        """Let it begin: it waits for a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(b'go\n')
        self._process.stdin.flush()

    def cpu_s(self) -> float:
        """Return the processor time so far, with that of the processes that it started."""
        return sum(map(cpu_s, self.tree()))

    def waited_s(self) -> float:
        """Return how long its threads could have run and got no processor so far (s)."""
        return waited_s(self._process.pid)

    def tree(self) -> list[int]:
        """Return its id and those of the processes that it started."""
        return tree(self._process.pid)

    def end(self, timeout_s: float) -> float:
        """Ask it to end with SIGINT; return the processor time (s) of its whole life."""
        self._note_memory()
        self._process.send_signal(signal.SIGINT)
        give_up_at = time.monotonic() + timeout_s
        while True:
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                return usage.ru_utime + usage.ru_stime
            if time.monotonic() > give_up_at:
                raise ToolError(f'{self.name} did not end in {timeout_s:g} s:\n{self.tail()}')
            self._note_memory(keep=False)
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._process.kill()
        self._process.wait()
        self.__exit__(None, None, None)

    def wait_for(self, text: str, timeout_s: float) -> None:
        """Return when the text stands in its log; raises ToolError where it does not come."""
        give_up_at = time.monotonic() + timeout_s
        while text not in self.log.read_text(errors='replace'):
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                raise ToolError(f'{self.name} did not say {text!r}:\n{self.tail()}')
            time.sleep(_POLL_S)

    def tail(self) -> str:
        """Return the last lines of its standard error."""
        return '\n'.join(self.log.read_text(errors='replace').splitlines()[-12:])

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_S) and self._process.returncode is None:
            self._note_memory()

    def _note_memory(self, keep: bool = True) -> None:
        memory = memory_of(self._process.pid)
        if memory is None:
            return
        if keep or not self.memory:
            self.memory.append(memory)
        elif memory.peak > self.memory[-1].peak:
            self.memory[-1] = self.memory[-1]._replace(peak=memory.peak)


def cpu_s(pid: int | None) -> float:
    """
    Return the processor time of a process so far (s), 0 where it is gone.

    By the process's own clock, which also holds what threads took that have ended: ReductStore
    and DDS end threads all the time.
    """
    clock = ctypes.c_int()
    if pid is None or ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)) != 0:
        return 0.0
    return time.clock_gettime(clock.value)


def waited_s(pid: int) -> float:
    """Return how long a process's threads of now waited for a processor so far (s)."""
    waited_ns = 0
    for file in Path(f'/proc/{pid}/task').glob('*/schedstat'):
        with suppress(OSError):  # it has ended meanwhile
            waited_ns += int(file.read_text().split()[1])
    return waited_ns * 1e-9


def tree(pid: int) -> list[int]:
    """Return a process and all that it started, directly or not, and that still run."""
    children: dict[int, list[int]] = {}
    for file in Path('/proc').glob('[0-9]*/stat'):
        try:
            _, _, rest = file.read_text().rpartition(')')
        except OSError:
            continue  # it has ended meanwhile
        children.setdefault(int(rest.split()[1]), []).append(int(file.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def busy_s() -> float:
    """Return the processor time (s) that all processes of the machine took so far."""
    user, nice, system, _, _, irq, soft_irq = map(
        int, Path('/proc/stat').read_text().split('\n', 1)[0].split()[1:8]
    )
    return (user + nice + system + irq + soft_irq) / os.sysconf('SC_CLK_TCK')


def shared_memory(pid: int) -> int:
    """Return the bytes that a process holds, what it shares divided by those that share it."""
    for line in Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1]) * 1024
    return 0


def memory_of(pid: int) -> Memory | None:
    """Return what a process holds, None where it is gone."""
    try:
        text = Path(f'/proc/{pid}/status').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(line.split(':', 1) for line in text.splitlines())
    if 'VmRSS' not in fields:
        return None  # it has ended and is not yet waited for

    def in_bytes(name: str) -> int:
        return int(fields[name].split()[0]) * 1024

    return Memory(time.monotonic(), in_bytes('VmRSS'), in_bytes('RssAnon'), in_bytes('VmHWM'))
