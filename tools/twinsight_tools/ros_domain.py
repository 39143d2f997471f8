"""A ROS domain of one's own: two test runs on one machine do not hear each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import random
import tempfile

from .messages import ToolError

_LARGEST = 100  # DDS takes its ports from the domain: those of larger ones are the system's


@contextmanager
def own_ros_domain() -> Iterator[int]:
    """
    Give a ROS_DOMAIN_ID that no other run of this user on this machine has, until the block ends.

    Raises ToolError where all are taken.
    """
    folder = Path(tempfile.gettempdir(), f'twinsight-ros-domains-{os.getuid()}')
    folder.mkdir(exist_ok=True)
    for number in random.sample(range(1, _LARGEST + 1), _LARGEST):
        with (folder / str(number)).open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise ToolError(f'all {_LARGEST} ROS domains are in use (see {folder})')
