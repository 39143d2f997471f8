"""
Runs the processes of a stack: passes their output on, and ends them together.

Each process leads a session of its own, so that Ctrl-C reaches it once and through here: a node
that is bringing its queue to the store is not hit twice.
"""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
import os
from queue import Empty, SimpleQueue
import signal
import subprocess
import sys
import threading
import time

from stack import Process

from twinsight_tools.messages import ToolError

COLOURS = (36, 33, 35, 32, 34, 31)  # cyan, yellow, magenta, green, blue, red
LAST_LINES_S = 5.0  # for output that is still in the pipe of a node that has ended


class Output:
    """Standard output, shared by all nodes: whole lines, each behind the name of its node."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colours: dict[str, int] | None = None
        if sys.stdout.isatty() and 'NO_COLOR' not in os.environ:
            self._colours = {}

    @property
    def coloured(self) -> bool:
        return self._colours is not None

    def write(self, label: str, line: bytes) -> None:
        """Write one line; raises OSError where nobody reads it any more."""
        prefix = f'[{label}]'
        with self._lock:
            if self._colours is not None:
                number = self._colours.setdefault(label, len(self._colours))
                prefix = f'\x1b[{COLOURS[number % len(COLOURS)]}m{prefix}\x1b[0m'
            try:
                sys.stdout.buffer.write(prefix.encode() + b' ' + line.rstrip(b'\r\n') + b'\n')
                sys.stdout.buffer.flush()
            except OSError:
                # What is left in the buffer would make Python fail (exit code 120) at its end.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise

    def say(self, text: str) -> None:
        """Write a line of this command's own, if anybody still reads."""
        with contextlib.suppress(OSError):
            self.write('up', text.encode())


class Node:
    """A started process of the stack, with a thread that passes its output on."""

    def __init__(self, plan: Process, popen: subprocess.Popen[bytes]) -> None:
        self.plan = plan
        self.popen = popen
        self.reader: threading.Thread | None = None
        self.ended = False
        self._steps: list[tuple[float, signal.Signals]] = []

    @property
    def next_step_s(self) -> float | None:
        """Return when the next, harder signal is due (monotonic seconds)."""
        return self._steps[0][0] if self._steps and self.popen.returncode is None else None

    def stop(self, first: signal.Signals, now_s: float) -> None:
        """Ask the process to end, and plan what follows if it does not."""
        terminate_s = now_s + self.plan.sigterm_timeout_s
        self._steps = [
            (terminate_s, signal.SIGTERM),
            (terminate_s + self.plan.sigkill_timeout_s, signal.SIGKILL),
        ]
        self.popen.send_signal(first)

    def step(self, now_s: float) -> signal.Signals | None:
        """Send the harder signal that is due, if one is, and return it."""
        if self.next_step_s is None or self.next_step_s > now_s:
            return None
        _, number = self._steps.pop(0)
        self.popen.send_signal(number)
        return number


class Supervisor:
    """Runs processes until all of them have ended or a signal asks for their end."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._nodes: list[Node] = []
        # Signals and ended nodes. A SimpleQueue may be filled from within a signal handler.
        self._events: SimpleQueue[signal.Signals | Node] = SimpleQueue()
        self._stopping = False
        self._failure = 0

    def run(self, commands: list[tuple[Process, list[str]]], env: Mapping[str, str]) -> int:
        """Return the code of the first node that failed on its own, else 0."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._on_signal)
        try:
            for plan, argv in commands:
                self._start(plan, argv, env)
            while self._running():
                self._handle_next()
        finally:
            for node in self._nodes:
                if not node.ended:
                    node.popen.kill()
                    if node.reader is not None:
                        node.reader.join(LAST_LINES_S)
        return self._failure

    def _on_signal(self, number: int, _: object) -> None:
        self._events.put(signal.Signals(number))

    def _running(self) -> list[Node]:
        return [node for node in self._nodes if not node.ended]

    def _start(self, plan: Process, argv: list[str], env: Mapping[str, str]) -> None:
        try:
            popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(env),
                start_new_session=True,
            )
        except OSError as error:
            raise ToolError(
                f'{argv[0]} does not start: {error.strerror}'
            ) from error
        node = Node(plan, popen)
        self._nodes.append(node)
        self._output.say(f'{plan.label} started, pid {popen.pid}')
        node.reader = threading.Thread(target=self._pass_on, args=(node,), daemon=True)
        node.reader.start()
        threading.Thread(target=self._await_end, args=(node,), daemon=True).start()

    def _pass_on(self, node: Node) -> None:
        assert node.popen.stdout is not None
        heard = True
        for line in node.popen.stdout:
            try:
                if heard:
                    self._output.write(node.plan.label, line)
            except OSError:  # as in `tools/up | head`: nobody reads on, so nothing is to run on
                heard = False
                self._events.put(signal.SIGINT)

    def _await_end(self, node: Node) -> None:
        node.popen.wait()
        if node.reader is not None:  # its last lines come before what is said of its end
            node.reader.join(LAST_LINES_S)
        self._events.put(node)

    def _handle_next(self) -> None:
        due = [node.next_step_s for node in self._nodes if node.next_step_s is not None]
        try:
            event = self._events.get(
                timeout=max(0.0, min(due) - time.monotonic()) if due else None
            )
        except Empty:
            self._press()
            return
        if isinstance(event, Node):
            self._note_end(event)
        elif self._stopping:
            self._output.say(f'still waiting for {_names(self._running())}')
        else:
            self._stop(signal.SIGTERM if event == signal.SIGTERM else signal.SIGINT)

    def _stop(self, first: signal.Signals) -> None:
        self._stopping = True
        self._output.say(f'stopping {_names(self._running())}')
        for node in self._running():
            node.stop(first, time.monotonic())

    def _press(self) -> None:
        for node in self._nodes:
            if number := node.step(time.monotonic()):
                self._output.say(f'{node.plan.label} did not end in time, sent {number.name}')

    def _note_end(self, node: Node) -> None:
        node.ended = True
        code = node.popen.returncode
        how = f'signal {signal.Signals(-code).name}' if code < 0 else f'exit code {code}'
        if code == 0 or self._stopping:
            self._output.say(f'{node.plan.label} ended, {how}')
        else:
            self._output.say(f'{node.plan.label} died, {how}')
            self._failure = self._failure or (128 - code if code < 0 else code)


def _names(nodes: list[Node]) -> str:
    return ', '.join(node.plan.label for node in nodes)
