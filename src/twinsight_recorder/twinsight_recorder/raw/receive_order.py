"""Receive times in the order in which the middleware hands messages out."""

from __future__ import annotations


class ReceiveOrder:
    """
    Keeps the order of each publisher's messages in their receive times.

    DDS hands a publisher's messages out in their order. Where it has to ask for one again, those
    after it may have come before it, and wait for it: they count as received when it came, each
    a nanosecond after the one before it. Else the store would give them back in another order.
    Only messages that wait together are compared, so a clock that is set back is followed.
    """

    def __init__(self) -> None:
        self._latest: dict[bytes, int] = {}

    def time_of(self, publisher: bytes, receive_ns: int) -> int:
        """Return when the message that is taken next came; receive_ns is what DDS says."""
        latest_ns = self._latest.get(publisher, 0)
        if receive_ns <= latest_ns:
            receive_ns = latest_ns + 1
        self._latest[publisher] = receive_ns
        return receive_ns

    def all_taken(self) -> None:
        """Tell that no message waits: those that do later were not held up by these."""
        self._latest.clear()
