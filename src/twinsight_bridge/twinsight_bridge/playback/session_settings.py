"""What a session plays and how it begins, on its way to the session's process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from twinsight_store.layout import DEFAULT_BUCKET
from twinsight_store.selection import Selection

DEFAULT_READ_AHEAD_BYTES = 32_000_000


@dataclass(frozen=True)
class SessionSettings:
    """
    A session; where the stores are, and how they are opened, is in the environment only.

    session_id        its name
    selection         what is played
    rate              speed at first
    paused            begin paused; else it plays as soon as a viewer has subscribed
    buckets           where the records are
    read_ahead_bytes  what waits in memory to be played, at most
    """

    session_id: str
    selection: Selection
    rate: float = 1.0
    paused: bool = False
    buckets: tuple[str, ...] = (DEFAULT_BUCKET,)
    read_ahead_bytes: int = DEFAULT_READ_AHEAD_BYTES

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON has them."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> SessionSettings:
        """Return the settings that to_json() gave."""
        selection: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given['selection'].items()
        }
        return cls(**{
            **given, 'selection': Selection(**selection), 'buckets': tuple(given['buckets']),
        })
