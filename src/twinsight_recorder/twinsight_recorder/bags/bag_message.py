"""What a bag gives, whichever format it has: messages as recorded, and what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from twinsight_store.channel import Channel


class BagMessage(NamedTuple):
    """
    One message of a bag, undecoded.

    receive_ns  Unix time at which the bag's recorder received it (MCAP: log time)
    publish_ns  Unix time at which it was published; the receive time where the bag has none
    """

    channel: Channel
    receive_ns: int
    publish_ns: int
    sequence: int
    data: bytes


class BagReader(Protocol):
    """
    An open bag file.

    problems  complete after messages() ended: what could not be read, one clause each
    """

    problems: list[str]

    @property
    def position(self) -> int:
        """Return how many bytes of the file were read."""

    def messages(self) -> Iterator[BagMessage]:
        """Give every readable message once, in the order of the file."""
