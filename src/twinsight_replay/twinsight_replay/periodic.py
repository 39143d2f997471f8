"""Doing something again and again, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
import threading
import time
from types import TracebackType


class Periodic:
    """
    Calls something at a rate while the block runs; what is missed is left out.

    A timer of an executor would do, but takes milliseconds in which no other thread runs.
    """

    def __init__(self, period_s: float, call: Callable[[], object], name: str) -> None:
        self._period_s = period_s
        self._call = call
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def __enter__(self) -> Periodic:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._over.wait(max(0.0, due_s - time.monotonic())):
            self._call()
            due_s = max(due_s + self._period_s, time.monotonic())
