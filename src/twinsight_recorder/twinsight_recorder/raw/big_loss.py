"""
Recognising big best-effort messages that are lost inside Fast DDS, and naming the remedy.

Fast DDS, as it comes, carries messages between the processes of a machine through a segment of
512 kB (524,288 bytes) that belongs to the sending process. Measured with 20 messages/s: 520 kB
arrive whole, of 540 kB messages three in four are lost, of 600 kB and more all. DDS still knows
that they are lost (the event ``message_lost``), also where not one arrives: some fragments come
through, and their numbers tell of the rest.

This holds for rmw_fastrtps_cpp and its dynamic sibling only; elsewhere there is nothing to watch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError
from rich.filesize import decimal

WINDOW_NS = 5_000_000_000
"""Time over which losses are looked at."""

BIG_BYTES = 262_144
"""
Mean size of the messages that arrived, from which a loss is put down to their size.

Half a segment, because that is where two messages no longer fit in at a time, and because of
messages whose sizes differ only the smaller ones arrive.
"""

LOSS_SHARE = 0.05
"""Share of the messages in the window that has to be lost."""

LEAST_LOST = 5
"""Messages that have to be lost in the window: one hiccup is not the pattern."""

PROFILE = 'fastdds.xml'
_VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
_OLD_VARIABLE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
_OLD_DISTRIBUTIONS = frozenset({'humble', 'iron', 'jazzy'})
"""They have Fast DDS 2, which knows the old variable only; newer ones read both."""


@dataclass(frozen=True)
class _Sample:
    """Numbers since the start, as they were at a time."""

    now_ns: int
    received: int
    lost: int
    bytes_received: int


class BigLossWatch:
    """Watches one topic; warns once, and again only after it has recovered."""

    def __init__(self, topic_name: str, type_name: str) -> None:
        self._topic = f'topic {topic_name} ({type_name})'
        self._samples: deque[_Sample] = deque()
        self._warned = False

    def see(
        self,
        now_ns: int,
        received: int,
        lost: int,
        bytes_received: int,
        best_effort: bool,
        publishers: int,
    ) -> str | None:
        """
        Return a warning of one line where messages are lost for their size; cheap.

        ``received``, ``lost`` and ``bytes_received`` (serialized) are numbers since the start.
        ``lost`` is the greater of what sequence numbers tell and the ``total_count`` of the
        event ``message_lost``: before a first message has arrived, only the event knows.
        ``best_effort`` is the subscription's, ``now_ns`` of any clock that never goes back.
        """
        if not best_effort or not publishers:
            self._samples.clear()
            return None
        now = _Sample(now_ns, received, lost, bytes_received)
        self._samples.append(now)
        while len(self._samples) > 2 and self._samples[1].now_ns <= now_ns - WINDOW_NS:
            self._samples.popleft()
        return self._judge(self._samples[0], now)

    def _judge(self, old: _Sample, now: _Sample) -> str | None:
        received, lost = now.received - old.received, now.lost - old.lost
        if lost <= 0:
            if received > 0 and now.now_ns - old.now_ns >= WINDOW_NS:
                self._warned = False
            return None
        if self._warned or lost < max(LEAST_LOST, LOSS_SHARE * (received + lost)):
            return None
        mean_bytes = (now.bytes_received - old.bytes_received) / received if received else 0
        if received and mean_bytes < BIG_BYTES:
            return None
        self._warned = True
        size = f'those that came have {decimal(int(mean_bytes))}' if received else 'none came'
        return (
            f'{self._topic}: lost {lost} of {received + lost} best-effort messages inside DDS, '
            f'{size}: they are too big for the shared memory of Fast DDS; {remedy()}'
        )


def remedy(env: Mapping[str, str] = os.environ) -> str:
    """Return what to do against the loss of big best-effort messages."""
    setting = f'{profile_variable(env)}={_profile_path()}'
    if is_profile_active(env):
        return (
            f'the recorder has the profile, so start the node that publishes it with {setting}, '
            f'and see that its /dev/shm has room for 141 MB'
        )
    return f'start the node that publishes it, and the recorder, with {setting}'


def is_profile_active(env: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process was started with our profile, or a copy of that name."""
    return any(
        Path(env.get(name, '')).name == PROFILE for name in (profile_variable(env), _OLD_VARIABLE)
    )


def profile_variable(env: Mapping[str, str] = os.environ) -> str:
    """Return the name under which this distribution's Fast DDS looks for profiles."""
    return _OLD_VARIABLE if env.get('ROS_DISTRO') in _OLD_DISTRIBUTIONS else _VARIABLE


def _profile_path() -> str:
    try:
        return str(Path(get_package_share_directory('twinsight_launch'), 'config', PROFILE))
    except PackageNotFoundError:
        return PROFILE
