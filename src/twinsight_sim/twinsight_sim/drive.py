"""A differential drive that follows a route: position, speed, yaw rate and what wheels report."""

from __future__ import annotations

import math
from typing import NamedTuple

from twinsight_sim.route import Route, STEP

LOOKAHEAD = 0.6
"""How far ahead the drive aims, metres."""

BRAKE = 0.9
"""m/s², the most that the speed changes."""

YAW_ACCELERATION = 4.0
"""rad/s², the most that the yaw rate changes."""


class Pose(NamedTuple):
    """Position in metres, yaw in radians."""

    x: float
    y: float
    yaw: float


class Motion(NamedTuple):
    """
    Where the base is and how it moves at one moment.

    ``pose`` is the truth in ``map``, ``odometry`` the pose in ``odom`` that the wheels make of
    it; ``speed`` (m/s), ``yaw_rate`` (rad/s) and ``acceleration`` (m/s²) are the truth.
    """

    pose: Pose
    odometry: Pose
    speed: float
    yaw_rate: float
    acceleration: float


class Drive:
    """
    Follows a route by pure pursuit and integrates it, wheels slipping a little.

    Pure pursuit after R. C. Coulter, 'Implementation of the Pure Pursuit Path Tracking
    Algorithm', CMU-RI-TR-92-01. ``slip`` scales the speed and the yaw rate that odometry sees.
    """

    def __init__(self, route: Route, slip: tuple[float, float] = (1.0, 1.0)) -> None:
        self.route = route
        self.travelled = 0.0
        self.slip = slip
        first = route.place(0.0)
        pose = Pose(first.x, first.y, first.heading)
        self.motion = Motion(pose, Pose(0.0, 0.0, 0.0), 0.0, 0.0, 0.0)

    def step(self, seconds: float, allowed: float) -> None:
        """Move on by a short time; ``allowed`` (m/s) holds beside the route's own limit."""
        pose, _, speed, yaw_rate, _ = self.motion
        here = self.route.place(self.travelled)
        target = min(allowed, max(here.speed, 0.08)) if allowed > 0.0 else 0.0
        change = BRAKE * seconds
        faster = speed + max(-change, min(change, target - speed))

        aim = self.route.place(self.travelled + LOOKAHEAD)
        dx, dy = aim.x - pose.x, aim.y - pose.y
        curvature = 2.0 * math.sin(math.atan2(dy, dx) - pose.yaw) / math.hypot(dx, dy)
        turn = YAW_ACCELERATION * seconds
        wanted = faster * curvature
        yaw_rate += max(-turn, min(turn, wanted - yaw_rate))
        if faster == 0.0:
            yaw_rate = 0.0

        moved = Motion(pose, self.motion.odometry, faster, yaw_rate, (faster - speed) / seconds)
        self.motion = self.extrapolate(moved, seconds)
        along = ((self.motion.pose.x - here.x) * math.cos(here.heading)
                 + (self.motion.pose.y - here.y) * math.sin(here.heading))
        self.travelled = max(self.travelled, STEP * int(self.travelled / STEP) + along)

    def extrapolate(self, motion: Motion, seconds: float) -> Motion:
        """Return the motion a short time later at unchanged speed and yaw rate."""
        if seconds == 0.0:
            return motion
        forward, turn = motion.speed * seconds, motion.yaw_rate * seconds
        return motion._replace(
            pose=_advance(motion.pose, forward, turn),
            odometry=_advance(motion.odometry, forward * self.slip[0], turn * self.slip[1]))


def _advance(pose: Pose, forward: float, turn: float) -> Pose:
    middle = pose.yaw + turn / 2.0
    return Pose(pose.x + forward * math.cos(middle), pose.y + forward * math.sin(middle),
                math.remainder(pose.yaw + turn, 2.0 * math.pi))


def compose(a: Pose, b: Pose) -> Pose:
    """Return ``a`` followed by ``b``: the pose of c in a's parent, where b is c in a."""
    c, s = math.cos(a.yaw), math.sin(a.yaw)
    return Pose(a.x + c * b.x - s * b.y, a.y + s * b.x + c * b.y,
                math.remainder(a.yaw + b.yaw, 2.0 * math.pi))


def inverse(a: Pose) -> Pose:
    """Return the pose of the parent in ``a``."""
    c, s = math.cos(a.yaw), math.sin(a.yaw)
    return Pose(-c * a.x - s * a.y, s * a.x - c * a.y, -a.yaw)
