"""Finds the ROS 2 to build on: a sourced install, else the wheels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import pythons
from .ament import SOURCED, sourced_prefix, WHEELS
from .messages import ToolError
from .pythons import Python
from .workspace import Workspace

TOO_OLD = ('dashing', 'eloquent', 'foxy', 'galactic', 'humble', 'iron')
# What building messages needs besides rclpy; a ROS 2 install brings all of it for its own Python.
_IMPORTS = ('rclpy', 'catkin_pkg', 'em', 'lark')


@dataclass(frozen=True)
class Ros:
    """A ROS 2 and the Python it runs on; `prefix` is empty for the wheels."""

    kind: str
    distro: str
    prefix: str
    python: Python | None

    def text(self) -> str:
        if self.kind == WHEELS:
            return f'wheels ({self.distro}) in .venv'
        return f'sourced {self.distro} at {self.prefix}'


def find(env: Mapping[str, str], workspace: Workspace) -> Ros:
    """
    Find the ROS 2 to use; its `python` is None where none fits and one must be installed.

    Raises ToolError where a ROS 2 is sourced that cannot be used.
    """
    prefix = sourced_prefix(env, workspace)
    if prefix is None:
        choices = workspace.choices()
        present = choices.get('python') if choices.get('kind') == WHEELS else None
        python = pythons.for_wheels(env, present)
        return Ros(WHEELS, wheels_distro(workspace), '', python)
    distro = env['ROS_DISTRO']
    if distro in TOO_OLD:
        raise ToolError(
            f'ROS 2 {distro} is sourced ({prefix}), and TwinSight needs jazzy or newer: source '
            'that, or start from a shell without ROS 2 to have it from wheels'
        )
    python = pythons.for_sourced(env, _IMPORTS)
    if python is None:
        raise ToolError(
            f'ROS 2 {distro} is sourced ({prefix}), but no Python here imports '
            f'{", ".join(_IMPORTS)} with it: name its Python in {pythons.VARIABLE}, or start from '
            'a shell without ROS 2 to have it from wheels'
        )
    return Ros(SOURCED, distro, str(prefix), python)


def wheels_distro(workspace: Workspace) -> str:
    """Read the distribution off the list of wheels."""
    text = (workspace.root / 'tools' / 'ros_wheels.txt').read_text()
    return text.split('\nros-', 1)[1].split('-', 1)[0]
