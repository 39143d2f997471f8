"""The robot's body: where its sensors sit, and the same as a URDF."""

from __future__ import annotations

import math
from typing import NamedTuple

RADIUS = 0.35
"""From base_link to the front, metres."""

CAMERA_HEIGHT = 0.6
LIDAR_FORWARD = 0.2


class Mount(NamedTuple):
    """A fixed joint: child frame, parent frame, translation (m), roll, pitch, yaw (rad)."""

    child: str
    parent: str
    xyz: tuple[float, float, float]
    rpy: tuple[float, float, float] = (0.0, 0.0, 0.0)


MOUNTS = (
    Mount('laser', 'base_link', (LIDAR_FORWARD, 0.0, 0.3)),
    Mount('imu', 'base_link', (0.0, 0.0, 0.15)),
    Mount('camera', 'base_link', (RADIUS, 0.0, CAMERA_HEIGHT)),
    Mount('camera_optical', 'camera', (0.0, 0.0, 0.0), (-math.pi / 2, 0.0, -math.pi / 2)),
)
"""``camera`` looks along x; ``camera_optical`` is the same with z forward, as REP 103 asks."""


def quaternion(roll: float, pitch: float, yaw: float) -> tuple[float, float, float, float]:
    """Return x, y, z, w of a rotation about the fixed axes x, then y, then z (rad)."""
    cr, sr = math.cos(roll / 2), math.sin(roll / 2)
    cp, sp = math.cos(pitch / 2), math.sin(pitch / 2)
    cy, sy = math.cos(yaw / 2), math.sin(yaw / 2)
    return (sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy, cr * cp * cy + sr * sp * sy)


def urdf() -> str:
    """Return the description: primitive shapes, fixed joints, frame names without a prefix."""
    wheel = '<cylinder radius="0.1" length="0.06"/>'
    side = f'{math.pi / 2:.6f} 0 0'
    base = ''.join((
        _visual('<box size="0.7 0.5 0.2"/>', '0 0 0.17', '0 0 0', 'blue'),
        _visual('<box size="0.06 0.2 0.35"/>', '0.3 0 0.44', '0 0 0', 'grey'),
        _visual(wheel, '0 0.25 0.1', side, 'black'),
        _visual(wheel, '0 -0.25 0.1', side, 'black'),
    ))
    links = {
        'base_link': base,
        'laser': _visual('<cylinder radius="0.05" length="0.06"/>', '0 0 0', '0 0 0', 'black'),
        'camera': _visual('<box size="0.03 0.1 0.04"/>', '0 0 0', '0 0 0', 'black'),
    }
    colours = {'blue': '0.1 0.35 0.7 1', 'grey': '0.6 0.6 0.6 1', 'black': '0.1 0.1 0.1 1'}
    lines = ['<?xml version="1.0"?>', '<robot name="sim_robot">']
    lines += [f'  <material name="{name}"><color rgba="{rgba}"/></material>'
              for name, rgba in colours.items()]
    lines += [f'  <link name="{name}">{links.get(name, "")}</link>'
              for name in ('base_link', *(mount.child for mount in MOUNTS))]
    lines += [_joint(mount) for mount in MOUNTS]
    return '\n'.join([*lines, '</robot>', ''])


def _visual(shape: str, xyz: str, rpy: str, material: str) -> str:
    return (f'<visual><origin xyz="{xyz}" rpy="{rpy}"/><geometry>{shape}</geometry>'
            f'<material name="{material}"/></visual>')


def _joint(mount: Mount) -> str:
    xyz = ' '.join(f'{value:g}' for value in mount.xyz)
    rpy = ' '.join(f'{value:.6g}' for value in mount.rpy)
    return (f'  <joint name="{mount.child}_joint" type="fixed"><parent link="{mount.parent}"/>'
            f'<child link="{mount.child}"/><origin xyz="{xyz}" rpy="{rpy}"/></joint>')
