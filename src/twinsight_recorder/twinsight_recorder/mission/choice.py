"""Which mission a robot's data belongs to, where several nodes have a say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import IntEnum


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
    """Return the mission that a node starts with; empty: none was given to it."""
    if mission_id:
        return Mission(mission_id, now_ns, Origin.PARAMETER)
    return Mission(automatic_id(now_ns), now_ns, Origin.AUTOMATIC)


def automatic_id(now_ns: int) -> str:
    """Return a mission id made of date and time, UTC."""
    return f'{datetime.fromtimestamp(now_ns / 1e9, timezone.utc):%Y%m%dT%H%M%SZ}'
