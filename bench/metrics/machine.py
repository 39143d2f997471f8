"""The machine that was measured, in one line."""

from __future__ import annotations

import os
from pathlib import Path
import platform


def line() -> str:
    """Return processor, memory and versions, for the titles of tables."""
    return ', '.join(
        (
            f'{len(os.sched_getaffinity(0))} cores {_field("/proc/cpuinfo", "model name")}',
            f'{int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1e6:.0f} GB',
            f'Python {platform.python_version()}',
            f'ROS 2 {os.environ.get("ROS_DISTRO", "?")}',
        )
    )


def _field(file: str, name: str) -> str:
    for text in Path(file).read_text().splitlines():
        key, _, value = text.partition(':')
        if key.strip() == name:
            return value.strip()
    return '0 unknown'
