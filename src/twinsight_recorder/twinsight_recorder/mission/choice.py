"""Which mission a robot's data belongs to, where several nodes have a say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import IntEnum

from twinsight_store.errors import ConfigurationError

LONGEST_ID = 200
"""Characters of a mission's id, at most."""


class Origin(IntEnum):
    """Who chose a mission; the numbers are those of twinsight_interfaces/msg/Mission."""

    AUTOMATIC = 0
    PARAMETER = 1
    REQUEST = 2


@dataclass(frozen=True)
class Mission:
    """
    A mission of a robot.

    began_ns  Unix ns
    ended     the mission that ended with this one, where it was ended on purpose
    labels    told by whoever began it
    """

    mission_id: str
    began_ns: int
    origin: Origin
    ended: str = ''
    labels: Mapping[str, str] = field(default_factory=dict)

    def gives_way_to(self, other: Mission) -> bool:
        """
        Return whether another node's mission holds instead of this one.

        A higher origin wins. Among equals the newer one does; of automatic missions the older,
        so that nodes that start together agree on one.
        """
        if other.origin != self.origin:
            return other.origin > self.origin
        if other.origin == Origin.AUTOMATIC:
            return other.began_ns < self.began_ns
        return other.began_ns > self.began_ns


def first_mission(mission_id: str, now_ns: int) -> Mission:
    """
    Return the mission that a node starts with; empty: none was given to it.

    Raises ConfigurationError where the id is not accepted.
    """
    if mission_id:
        return Mission(checked_id(mission_id), now_ns, Origin.PARAMETER)
    return Mission(automatic_id(now_ns), now_ns, Origin.AUTOMATIC)


def automatic_id(now_ns: int) -> str:
    """Return the id that a node starts with where none was given: date and time, UTC."""
    return f'{_to_the_second(now_ns)}Z'


def requested_id(began_ns: int) -> str:
    """Return the id of a mission that was asked for without one; no other time makes the same."""
    return f'{_to_the_second(began_ns)}.{began_ns % 1_000_000_000:09}Z'


def checked_id(mission_id: str) -> str:
    """Return a mission's id; raises ConfigurationError where it does not fit lines and tables."""
    if (
        not 1 <= len(mission_id) <= LONGEST_ID or mission_id != mission_id.strip()
        or not mission_id.isprintable()
    ):
        shown = repr(mission_id) if len(mission_id) <= LONGEST_ID else f'{mission_id[:20]!r}…'
        raise ConfigurationError(
            f'mission_id {shown}: accepted are 1 to {LONGEST_ID} printable characters, without '
            'spaces at the ends'
        )
    return mission_id


def _to_the_second(time_ns: int) -> str:
    return f'{datetime.fromtimestamp(time_ns // 1_000_000_000, timezone.utc):%Y%m%dT%H%M%S}'
