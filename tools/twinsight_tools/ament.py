"""Reads AMENT_PREFIX_PATH: which packages there are, and whose ROS 2 this shell has."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path

from .workspace import Workspace

# The two kinds of ROS 2 that set-up builds on.
WHEELS = 'wheels'
SOURCED = 'sourced'


def index_prefixes(env: Mapping[str, str], package: str) -> list[Path]:
    """List the prefixes of AMENT_PREFIX_PATH that hold `package`, first match first."""
    prefixes = [Path(text) for text in env.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if text]
    return [
        prefix
        for prefix in prefixes
        if (prefix / 'share/ament_index/resource_index/packages' / package).exists()
    ]


def sourced_prefix(env: Mapping[str, str], workspace: Workspace) -> Path | None:
    """Find the ROS 2 that this shell has sourced; our own .venv does not count."""
    if not env.get('ROS_DISTRO'):
        return None
    others = [path for path in index_prefixes(env, 'rclpy') if path != workspace.venv]
    return others[0] if others else None
