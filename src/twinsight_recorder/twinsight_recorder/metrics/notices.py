"""What is said of servers while metrics are written: each thing once, though threads meet it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
import threading
import time

from twinsight_store.metrics.sink import Written

_QUIET_S = 10.0
_REMEMBERED = 1000


class Notices:
    """
    Tells of trouble when it begins, and when it is over.

    warn, inform  take a line each; they are called in any thread
    """

    def __init__(self, warn: Callable[[str], object], inform: Callable[[str], object]) -> None:
        self._warn = warn
        self._inform = inform
        self._lock = threading.Lock()
        self._problems: dict[str, dict[str, str]] = {}
        self._told_of: dict[str, deque[str]] = {}
        self._told: deque[str] = deque(maxlen=_REMEMBERED)
        self._quiet_until: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def hear(self, what: str, who: str, problem: str) -> None:
        """
        Hear how a server does; to be called again and again, also where nothing changed.

        what     the server
        who      the thread; what another one has told of the server is not told again
        problem  in one line; '' where all is well

        Of trouble that goes on each reason is told once, and one in ten seconds at most, as it
        may change with each try.
        """
        with self._lock:
            known = self._problems.setdefault(what, {})
            known[who] = problem
            told = self._told_of.setdefault(what, deque(maxlen=_REMEMBERED))
            now = time.monotonic()
            if not any(known.values()):
                if told:
                    told.clear()
                    self._inform(f'{what} answers again')
            elif problem and problem not in told and (
                not told or now >= self._quiet_until.get(what, 0.0)
            ):
                told.append(problem)
                self._quiet_until[what] = now + _QUIET_S
                self._warn(problem)

    def tell(self, line: str) -> None:
        """Tell something that is no trouble, once."""
        with self._lock:
            if line not in self._told:
                self._told.append(line)
                self._inform(line)

    def unreadable(self, place: str, error: Exception) -> None:
        """Tell of a message that is skipped, once for all threads."""
        with self._lock:
            if place not in self._told:
                self._told.append(place)
                self._now_and_then('unreadable', f'{place}: skipped: {error}')

    def refused(self, sink: str, written: Written) -> None:
        """Tell that a sink does not take something for good."""
        with self._lock:
            self._now_and_then(
                f'{sink} refuses', f'{sink}: {written.refused} refused: {written.problem}'
            )

    def _now_and_then(self, what: str, line: str) -> None:
        """Say one of many lines, and how many were not said."""
        now = time.monotonic()
        if now < self._quiet_until.get(what, 0.0):
            self._left_out[what] = self._left_out.get(what, 0) + 1
            return
        more = self._left_out.pop(what, 0)
        self._quiet_until[what] = now + _QUIET_S
        self._warn(f'{line} (and {more} others)' if more else line)
