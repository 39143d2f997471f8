"""Controlling a player by the keys of a terminal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import os
from threading import Thread
from types import TracebackType

from twinsight_replay.controls import Controls
from twinsight_replay.playing import State
from twinsight_replay.terminal_keys import TerminalKeys
from twinsight_store.times import format_time

HELP = (
    'space: pause or resume; right: the next message while paused, else 5 s on; left: 5 s back; '
    'up, down: rate; 0 to 9: to that tenth; q: stop; h: this help'
)
_STANDARD_INPUT = 0
_SEEK_NS = 5_000_000_000
_RATE_FACTOR = 1.1
_RATE_STEP = 0.01
_PATIENCE_S = 0.2
_ENDED = 'playing has ended'


class Keyboard:
    """
    Hands the keys of a terminal to the controls; a context manager.

    Keys are read in a thread of its own. Where the file is no terminal nothing is read.
    """

    def __init__(
        self, controls: Controls, on_said: Callable[[str], object], fd: int = _STANDARD_INPUT
    ) -> None:
        """
        Make one; nothing is read before its block begins.

        on_said  gets a line for each thing done, from other threads
        fd       of the terminal
        """
        self._controls = controls
        self._on_said = on_said
        self._fd = fd
        self._keys: TerminalKeys | None = None
        self._thread = Thread(target=self._run, name='twinsight-keyboard', daemon=True)
        self._actions: dict[bytes, Callable[[], str]] = {
            b' ': self._toggle_paused,
            b'\x1b[A': partial(self._change_rate, faster),
            b'\x1b[B': partial(self._change_rate, slower),
            b'\x1b[C': self._go_on,
            b'\x1b[D': partial(self._seek_by, -_SEEK_NS),
            b'q': self._stop,
            b'h': lambda: HELP,
            b'?': lambda: HELP,
            **{b'%d' % tenth: partial(self._seek_tenth, tenth) for tenth in range(10)},
        }

    def __enter__(self) -> Keyboard:
        if os.isatty(self._fd):
            self._keys = TerminalKeys(self._fd)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._keys:
            self._keys.stop()
            self._thread.join()
            self._keys.close()
            self._keys = None

    def _run(self) -> None:
        assert self._keys is not None
        for key in self._keys:
            if action := self._actions.get(key):
                # The answer of a player that waits for messages, or does not run yet, comes
                # late; the keys that follow are not to wait for it.
                doing = Thread(target=self._do, args=(action,), daemon=True)
                doing.start()
                doing.join(_PATIENCE_S)

    def _do(self, action: Callable[[], str]) -> None:
        text = action()
        if self._keys:
            self._on_said(text)

    def _toggle_paused(self) -> str:
        paused = self._controls.toggle_paused()
        state, at = self._controls.status().state, self._position()
        if paused:
            return f'paused at {at}'
        return f'at the end, {at}' if state is State.FINISHED else f'playing from {at}'

    def _change_rate(self, change: Callable[[float], float]) -> str:
        rate = change(self._controls.status().rate)
        return f'rate {rate:g}' if self._controls.set_rate(rate) else _ENDED

    def _go_on(self) -> str:
        if not self._controls.status().paused:
            return self._seek_by(_SEEK_NS)
        if self._controls.play_next():
            return f'one message, at {self._position()}'
        if self._controls.status().state is State.FINISHED:
            return f'at the end, {self._position()}'
        return 'no message played'

    def _seek_by(self, by_ns: int) -> str:
        status = self._controls.status()
        if status.position_ns + by_ns > status.end_ns:
            return f'the end, {format_time(status.end_ns)}, is less than {by_ns / 1e9:g} s away'
        return self._seek(status.position_ns + by_ns)

    def _seek_tenth(self, tenth: int) -> str:
        status = self._controls.status()
        return self._seek(status.start_ns + (status.end_ns - status.start_ns) * tenth // 10)

    def _seek(self, to_ns: int) -> str:
        to_ns = max(to_ns, self._controls.status().start_ns)
        return f'at {format_time(to_ns)}' if self._controls.seek(to_ns) else _ENDED

    def _stop(self) -> str:
        self._controls.stop()
        return f'stopped at {self._position()}'

    def _position(self) -> str:
        return format_time(self._controls.status().position_ns)


def faster(rate: float) -> float:
    """Return a rate a tenth higher, to the hundredth."""
    return max(round(rate * _RATE_FACTOR, 2), round(rate + _RATE_STEP, 2))


def slower(rate: float) -> float:
    """Return a rate a tenth lower, to the hundredth, not below the least one."""
    lower = min(round(rate / _RATE_FACTOR, 2), round(rate - _RATE_STEP, 2))
    return min(rate, max(lower, _RATE_STEP))
