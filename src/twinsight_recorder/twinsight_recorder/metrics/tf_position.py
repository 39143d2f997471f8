"""Where one frame is in another, from the latest transform of each frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
import math
from typing import NamedTuple

from twinsight_recorder.metrics.functions import yaw

MOST_FRAMES = 1000
"""So many frames are remembered; transforms of others are not looked at."""

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


class Transform(NamedTuple):
    """
    Where a frame is in its parent.

    shift     x, y, z in m
    turn      x, y, z, w
    stamp_ns  Unix ns; 0 where it holds always
    """

    parent: str
    child: str
    shift: Vector
    turn: Quaternion
    stamp_ns: int


class Position(NamedTuple):
    """
    Where a frame is in another.

    x, y, z   m
    yaw       rad
    stamp_ns  the newest of the transforms that it is made of
    """

    x: float
    y: float
    z: float
    yaw: float
    stamp_ns: int


@dataclass(frozen=True)
class _Way:
    """Frames whose transforms lead from the child up to a frame that both have, and back."""

    up: Sequence[str]
    down: Sequence[str]

    @property
    def frames(self) -> frozenset[str]:
        return frozenset((*self.up, *self.down))


class TfPosition:
    """Finds one frame in another; a frame has the place that was told last."""

    def __init__(self, parent: str, child: str) -> None:
        self._parent, self._child = parent.lstrip('/'), child.lstrip('/')
        self._latest: dict[str, Transform] = {}
        self._way: _Way | None = None
        self._frames: frozenset[str] = frozenset()

    @property
    def is_connected(self) -> bool:
        """Return whether transforms lead from the one frame to the other."""
        return self._way is not None

    @property
    def frames(self) -> list[str]:
        """Return the frames that there are."""
        return sorted({*self._latest, *(each.parent for each in self._latest.values())})

    def see(self, transforms: Iterable[Transform]) -> bool:
        """Take transforms; return whether one of them may have moved the child."""
        moved = False
        for each in transforms:
            before = self._latest.get(each.child)
            if before is None and len(self._latest) >= MOST_FRAMES:
                continue
            self._latest[each.child] = each
            if before is None or before.parent != each.parent:
                self._find_way()
            moved = moved or each.child in self._frames
        return moved

    def position(self) -> Position | None:
        """Return where the child is, None where no transforms lead to it."""
        if self._way is None:
            return None
        shift, turn = self._chain(self._way.up)
        if self._way.down:
            back, back_turn = _inverse(*self._chain(self._way.down))
            shift, turn = _compose(back, back_turn, shift, turn)
        stamp_ns = max((self._latest[each].stamp_ns for each in self._frames), default=0)
        return Position(*shift, yaw(*turn), stamp_ns)

    def _chain(self, frames: Sequence[str]) -> tuple[Vector, Quaternion]:
        """Return the place of the first frame in the parent of the last one."""
        shift, turn = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)
        for frame in frames:
            each = self._latest[frame]
            shift, turn = _compose(each.shift, each.turn, shift, turn)
        return shift, turn

    def _find_way(self) -> None:
        up, down = self._ancestors(self._child), self._ancestors(self._parent)
        shared = next((frame for frame in up if frame in down), None)
        if shared is None:
            self._way, self._frames = None, frozenset()
            return
        self._way = _Way(up[: up.index(shared)], down[: down.index(shared)])
        self._frames = self._way.frames

    def _ancestors(self, frame: str) -> list[str]:
        """Return the frame, its parent and so on; a circle is gone through once."""
        line = [frame]
        while frame in self._latest:
            frame = self._latest[frame].parent
            if frame in line:
                break
            line.append(frame)
        return line


def _compose(
    shift: Vector, turn: Quaternion, then_shift: Vector, then_turn: Quaternion
) -> tuple[Vector, Quaternion]:
    """Return a transform after another: of the outer frame first."""
    x, y, z = _turned(turn, then_shift)
    return (shift[0] + x, shift[1] + y, shift[2] + z), _product(turn, then_turn)


def _inverse(shift: Vector, turn: Quaternion) -> tuple[Vector, Quaternion]:
    back = (-turn[0], -turn[1], -turn[2], turn[3])
    x, y, z = _turned(back, shift)
    return (-x, -y, -z), back


def _product(a: Quaternion, b: Quaternion) -> Quaternion:
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _turned(turn: Quaternion, v: Vector) -> Vector:
    """Return a vector turned; a quaternion that is not of length 1 counts as if it were."""
    x, y, z, w = turn
    square = x * x + y * y + z * z + w * w
    if not square:
        return (math.nan, math.nan, math.nan)
    scale = 2.0 / square
    tx, ty, tz = y * v[2] - z * v[1], z * v[0] - x * v[2], x * v[1] - y * v[0]
    return (
        v[0] + scale * (w * tx + y * tz - z * ty),
        v[1] + scale * (w * ty + z * tx - x * tz),
        v[2] + scale * (w * tz + x * ty - y * tx),
    )
