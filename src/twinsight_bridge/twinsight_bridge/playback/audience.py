"""Playing while somebody looks, and not to nobody."""

from __future__ import annotations

GATHER_S = 0.1
"""A viewer subscribes topic by topic; it plays when no more subscriptions have come so long."""

LEFT_S = 1.0
"""A viewer that changes its layout has no subscription for a moment."""


class Audience:
    """
    Knows who has subscribed, and when playing should begin and stand still for that.

    What an operator has decided holds: nothing begins by itself that was paused, and what was
    started without an audience goes on. Times are seconds of a clock that never goes back.
    """

    def __init__(self, is_wanted: bool) -> None:
        """Make one; is_wanted says whether to play as soon as somebody looks."""
        self._is_wanted = is_wanted
        self._was_there = False
        self._changed_s = 0.0
        self._subscriptions: set[tuple[int, int]] = set()

    def subscribed(self, client: int, channel: int, now_s: float) -> None:
        """Hear of a subscription."""
        self._subscriptions.add((client, channel))
        self._changed_s = now_s

    def unsubscribed(self, client: int, channel: int, now_s: float) -> None:
        """Hear that one is over."""
        self._subscriptions.discard((client, channel))
        self._changed_s = now_s

    def decided(self) -> None:
        """Hear that an operator has let it play, or paused it."""
        self._is_wanted = False

    def wish(self, is_playing: bool, now_s: float) -> bool | None:
        """Return whether to play now (True), to stand still (False), or neither (None)."""
        since_s = now_s - self._changed_s
        if self._subscriptions:
            self._was_there = True
            if self._is_wanted and since_s >= GATHER_S:
                self._is_wanted = False
                return True
        elif self._was_there and since_s >= LEFT_S:
            self._was_there = False
            if is_playing:
                self._is_wanted = True
                return False
        return None
