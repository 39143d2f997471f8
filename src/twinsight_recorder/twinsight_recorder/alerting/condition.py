"""
The conditions of alert rules: what a sample says about each of them.

A condition answers true, false, or None where the sample says nothing about it (a text to a rule
on numbers): then all stays as it was. Between two samples the last one holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
import operator
from typing import Protocol, TypeAlias

from twinsight_store.metrics.metric import Stored

WINDOW_SAMPLES = 64
"""A rate's window holds the first sample of each 1/64 of it, and the newest one."""

Window: TypeAlias = deque[tuple[int, float]]
"""Times (Unix ns) and values; the last is the newest sample."""


class Condition(Protocol):
    """What a rule asks for; without memory of its own, the caller keeps the window."""

    def holds(
        self, window: Window, time_ns: int, value: float | None, text: str | None, active: bool
    ) -> bool | None:
        """
        Return what a sample says, None for nothing.

        window  of this metric of this robot, for nobody else
        active  whether the alert is raised: what clears it may lie elsewhere
        """
        ...

    def describe(self) -> str:
        """Return a message for the rule, with placeholders."""
        ...


@dataclass(frozen=True)
class Above:
    """Raised by a value greater than ``limit``, cleared by one that is not above ``clear``."""

    limit: float
    clear: float

    def holds(
        self, window: Window, time_ns: int, value: float | None, text: str | None, active: bool
    ) -> bool | None:
        """Return whether the value is too high; None for a text."""
        return None if value is None else value > (self.clear if active else self.limit)

    def describe(self) -> str:
        """Return a message for the rule, with placeholders."""
        return f'{{metric}} is {{value}}, above {self.limit:.10g}'


@dataclass(frozen=True)
class Below:
    """Raised by a value less than ``limit``, cleared by one that is not below ``clear``."""

    limit: float
    clear: float

    def holds(
        self, window: Window, time_ns: int, value: float | None, text: str | None, active: bool
    ) -> bool | None:
        """Return whether the value is too low; None for a text."""
        return None if value is None else value < (self.clear if active else self.limit)

    def describe(self) -> str:
        """Return a message for the rule, with placeholders."""
        return f'{{metric}} is {{value}}, below {self.limit:.10g}'


@dataclass(frozen=True)
class Equality:
    """
    Holds while a metric has a state, or while it has any other one.

    wanted   as metrics are stored: a text is compared with texts, a number with numbers
    differs  true: holds while the metric is not this
    """

    wanted: Stored
    differs: bool = False

    def holds(
        self, window: Window, time_ns: int, value: float | None, text: str | None, active: bool
    ) -> bool | None:
        """Return whether the state is the wanted one; each sample says something."""
        wanted = self.wanted
        same = value == wanted.value if wanted.text is None else text == wanted.text
        return same != self.differs

    def describe(self) -> str:
        """Return a message for the rule, with placeholders."""
        if not self.differs:
            return '{metric} is {value}'
        state = self.wanted.text
        if state is None:
            state = f'{self.wanted.value:.10g}'
        return f'{{metric}} is {{value}}, not {state.replace("{", "{{").replace("}", "}}")}'


@dataclass(frozen=True)
class Missing:
    """
    Holds while there was no sample for so long; any sample ends it.

    silence_ns  counted from the last sample
    expected    counted from the start of the robot too, where there was no sample yet
    """

    silence_ns: int
    expected: bool = False

    def holds(
        self, window: Window, time_ns: int, value: float | None, text: str | None, active: bool
    ) -> bool | None:
        """Return false: there is a sample."""
        return False

    def describe(self) -> str:
        """Return a message for the rule, with placeholders."""
        return f'{{metric}}: no sample for {duration_text(self.silence_ns)}'


@dataclass(frozen=True)
class Rate:
    """
    Holds while a value rises, or falls, faster than a limit over a window.

    The rate is the difference of the newest and the oldest sample in the window, divided by
    their time; there is none before they are half a window apart. Of each 1/WINDOW_SAMPLES of
    the window, counted from 1970, the first sample is kept, so which ones are kept depends on
    nothing but their times.

    limit      units a second, from 0
    window_ns  how far the oldest sample may lie back
    falls      true: holds while the value falls
    """

    limit: float
    window_ns: int
    falls: bool = False

    def holds(
        self, window: Window, time_ns: int, value: float | None, text: str | None, active: bool
    ) -> bool | None:
        """Return whether it changes too fast; None for a text, and while no rate is known."""
        if value is None:
            return None
        self._keep(window, time_ns, value)
        oldest_ns, oldest = window[0]
        elapsed_ns = time_ns - oldest_ns
        if elapsed_ns == 0 or 2 * elapsed_ns < self.window_ns:
            return None
        compare: Callable[[float, float], bool] = operator.lt if self.falls else operator.gt
        limit = -self.limit if self.falls else self.limit
        return compare((value - oldest) / elapsed_ns * 1e9, limit)

    def _keep(self, window: Window, time_ns: int, value: float) -> None:
        slot_ns = max(1, self.window_ns // WINDOW_SAMPLES)
        if len(window) > 1 and window[-1][0] // slot_ns == window[-2][0] // slot_ns:
            window.pop()  # it was there as the newest one only
        window.append((time_ns, value))
        while window[0][0] < time_ns - self.window_ns:
            window.popleft()

    def describe(self) -> str:
        """Return a message for the rule, with placeholders."""
        way = 'falls' if self.falls else 'rises'
        return (
            f'{{metric}} is {{value}} and {way} by more than {self.limit:.10g} a second '
            f'(over {duration_text(self.window_ns)})'
        )


def duration_text(duration_ns: int) -> str:
    """Return a duration for people: 350 ms, 2.5 s, 3 min 20 s, 2 h 5 min."""
    if duration_ns < 1_000_000_000:
        return f'{duration_ns / 1e6:.6g} ms'
    if duration_ns < 60_000_000_000:
        return f'{duration_ns / 1e9:.6g} s'
    minutes, seconds = divmod(round(duration_ns / 1e9), 60)
    hours, minutes = divmod(minutes, 60)
    big, small = (f'{hours} h', f'{minutes} min') if hours else (f'{minutes} min', f'{seconds} s')
    return big if small.startswith('0 ') else f'{big} {small}'
