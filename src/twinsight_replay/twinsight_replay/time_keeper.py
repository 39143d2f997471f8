"""Where in recorded time playing is, as a function of the clock."""

from __future__ import annotations

import math
from typing import NamedTuple

from twinsight_replay.clock import Clock

_NO_LIMIT = (1 << 63) - 1


class _State(NamedTuple):
    """At clock_ns the position was position_ns; it goes on at a rate, up to limit_ns."""

    clock_ns: int
    position_ns: int
    rate: float
    paused: bool
    limit_ns: int


class TimeKeeper:
    """
    Keeps the position: it runs with the clock times the rate, stands still while paused.

    While it is held it does not pass a limit: where messages come late it stands still there,
    and goes on from there when they have come. So nothing is skipped, and nothing has to be
    caught up with.

    One thread changes it; any may read it.
    """

    def __init__(self, clock: Clock, rate: float = 1.0, paused: bool = False) -> None:
        self._clock = clock
        self._state = _State(clock.now_ns(), 0, rate, paused, _NO_LIMIT)

    @property
    def rate(self) -> float:
        """Return the rate; inf is as fast as possible."""
        return self._state.rate

    @property
    def paused(self) -> bool:
        """Return whether it is paused."""
        return self._state.paused

    @property
    def is_held(self) -> bool:
        """Return whether the position stands at its limit, where it would go on without."""
        state = self._state
        return not state.paused and _position(state, self._clock.now_ns()) >= state.limit_ns

    def position_ns(self) -> int:
        """Return the position, recorded time in Unix ns."""
        return _position(self._state, self._clock.now_ns())

    def due_ns(self, position_ns: int) -> int | None:
        """Return when the clock reaches a position; None while it is paused."""
        clock_ns, anchor_ns, rate, paused, _ = self._state
        if paused:
            return None
        if rate == 1.0:
            return clock_ns + position_ns - anchor_ns
        if rate == math.inf:
            return clock_ns
        return clock_ns + round((position_ns - anchor_ns) / rate)

    def clock_at(self, position_ns: int) -> int:
        """Return when the clock was or will be at a position, were it not for pauses."""
        state, now_ns = self._state, self._clock.now_ns()
        rate = 1.0 if state.rate == math.inf else state.rate
        return now_ns + round((position_ns - _position(state, now_ns)) / rate)

    def jump(self, position_ns: int) -> None:
        """Go to a position, and be held there."""
        self._set(position_ns=position_ns, limit_ns=position_ns)

    def hold_at(self, limit_ns: int) -> None:
        """Be held at a position, or here where that is past."""
        self._set(limit_ns=max(limit_ns, self.position_ns()))

    def release(self) -> None:
        """Be held no more."""
        if self.is_held:
            self._set(limit_ns=_NO_LIMIT)
        else:  # the times at which messages are due stay as they are, to the nanosecond
            self._state = self._state._replace(limit_ns=_NO_LIMIT)

    def pass_to(self, position_ns: int) -> None:
        """Go to a message that was published at once: while paused, or at an infinite rate."""
        clock_ns, before_ns, rate, paused, limit_ns = self._state
        position_ns = max(position_ns, before_ns)
        self._state = _State(clock_ns, position_ns, rate, paused, max(position_ns, limit_ns))

    def set_rate(self, rate: float) -> None:
        """Go on at a rate from here."""
        self._set(rate=rate)

    def set_paused(self, paused: bool) -> None:
        """Stand still, or go on."""
        self._set(paused=paused)

    def _set(
        self, position_ns: int | None = None, limit_ns: int | None = None,
        rate: float | None = None, paused: bool | None = None,
    ) -> None:
        """Change what is given, from here and now."""
        old, now_ns = self._state, self._clock.now_ns()
        self._state = _State(
            now_ns,
            _position(old, now_ns) if position_ns is None else position_ns,
            old.rate if rate is None else rate,
            old.paused if paused is None else paused,
            old.limit_ns if limit_ns is None else limit_ns,
        )


def _position(state: _State, now_ns: int) -> int:
    if state.paused or state.rate == math.inf:
        return state.position_ns
    gone_ns = now_ns - state.clock_ns
    if state.rate != 1.0:
        gone_ns = round(gone_ns * state.rate)
    return min(state.position_ns + gone_ns, state.limit_ns)
