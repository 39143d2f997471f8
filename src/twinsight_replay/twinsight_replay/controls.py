"""A player's controls for other threads: services, the keyboard, parameters."""

from __future__ import annotations

from concurrent.futures import CancelledError
from functools import partial
from typing import TypeVar

from twinsight_replay.play_options import PlayOptions
from twinsight_replay.player import Command, Player
from twinsight_replay.playing import Status

T = TypeVar('T')


class Controls:
    """
    Controls a player; each method returns when what it asks for is done.

    Where playing has ended nothing is done, and the answer is False or 0.
    """

    def __init__(self, player: Player) -> None:
        self._player = player

    def status(self) -> Status:
        """Return what the player does."""
        return self._player.status()

    def end(self) -> None:
        """Do nothing any more; called when the player runs no more, or never did."""
        self._player.end()

    def pause(self) -> None:
        """Stand still."""
        self._ask(partial(self._player.set_paused, True), False)

    def resume(self) -> None:
        """Go on."""
        self._ask(partial(self._player.set_paused, False), False)

    def toggle_paused(self) -> bool:
        """Pause, or go on; return whether it is paused now."""
        return self._ask(partial(self._player.set_paused, None), False)

    def set_rate(self, rate: float) -> bool:
        """Go on at a rate, inf for as fast as possible; return whether it is one."""
        return self._ask(partial(self._player.set_rate, rate), False)

    def play_next(self) -> bool:
        """Play the next message at once, while paused; return whether one was played."""
        return self.burst(1) == 1

    def burst(self, messages: int) -> int:
        """Play messages at once, 0 for all, while paused; return how many were played."""
        return self._ask(partial(self._player.burst, messages), 0)

    def seek(self, to_ns: int) -> bool:
        """Go to a recorded time (Unix ns); return whether it is not behind the end."""
        return self._ask(partial(self._player.seek, to_ns), False)

    def stop(self) -> None:
        """Stop, as at the end."""
        self._ask(self._player.stop, False)

    def play(self, options: PlayOptions) -> bool:
        """
        Play anew, as offset, duration and until of the options say, at the end only.

        Return whether it does. Raises ConfigurationError where they leave nothing to play.
        """
        return self._ask(partial(self._player.play, options), False)

    def _ask(self, command: Command, otherwise: T) -> T:
        try:
            answer: T = self._player.do(command).result()
        except CancelledError:
            return otherwise
        return answer
