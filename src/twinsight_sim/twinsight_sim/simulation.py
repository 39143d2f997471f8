"""The simulation as a sequence of messages: what is sent, and when, by seed and start alone."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any

import numpy as np

from twinsight_sim import body, grids, health
from twinsight_sim.camera import Camera
from twinsight_sim.drive import Motion
from twinsight_sim.lidar import Lidar
from twinsight_sim.messages import IMU_NOISE, Messages, odom_in_map
from twinsight_sim.noise import normal_rows
from twinsight_sim.robot import Robot, STEP_NS
from twinsight_sim.route import Route
from twinsight_sim.schedule import Schedule, SECOND_NS
from twinsight_sim.settings import SimSettings
from twinsight_sim.world import warehouse, WAYPOINTS

Outgoing = tuple[str, Any]
"""A key of ``topics.TOPICS`` and a message, good until the next tick, or its bytes."""


class Simulation:
    """
    Steps from sensor tick to sensor tick; it knows no clock and no publisher.

    Building it takes a while, so its start is a call of its own.
    """

    def __init__(self, settings: SimSettings) -> None:
        seeds = np.random.SeedSequence(settings.seed).spawn(3)
        for_robot, for_lidar, for_imu = (np.random.default_rng(seed) for seed in seeds)
        slip = 1.0 + for_robot.normal(0.0, (0.004, 0.006))
        charge = float(for_robot.uniform(0.82, 0.95))
        self.world = warehouse()
        self.robot = Robot(Route(WAYPOINTS), settings.faults, charge,
                           (float(slip[0]), float(slip[1])))
        self._rates = settings.rates
        self._gaps = [fault for fault in settings.faults if fault.kind == 'sensor_gap']
        self._lidar = Lidar(for_lidar)
        self._imu_noise = normal_rows(for_imu, IMU_NOISE)
        self._camera = Camera(*settings.image_size) if settings.rates.camera > 0.0 else None
        self._messages = Messages(settings.frame_prefix, self._camera)
        self._schedule = Schedule({'physics': SECOND_NS / STEP_NS,
                                   **settings.rates.model_dump()})
        self._state_sent: str | None = None
        self._sensors: dict[str, Callable[[int, Motion], list[Outgoing]]] = {
            'camera': self._camera_view, 'scan': self._scan, 'costmap': self._costmap,
            'odom': self._odom, 'tf': self._tf, 'imu': self._imu, 'battery': self._battery,
            'state': self._state, 'diagnostics': self._diagnostics,
        }

    def due_ns(self) -> int:
        """Return the simulation time (ns) of the next tick."""
        return self._schedule.due_ns()

    def start(self, start_ns: int) -> list[Outgoing]:
        """
        Return what is sent once, before the first tick.

        ``start_ns`` is the Unix time of simulation time 0; it moves stamps and nothing else.
        """
        self._messages.start_ns = start_ns
        return [('map', self._messages.map(0, grids.floor_map(self.world))),
                ('tf_static', self._messages.tf_static(0)),
                ('description', self._messages.text(body.urdf()))]

    def tick(self) -> list[Outgoing]:
        """Do the next tick and return what is sent at that time, often nothing."""
        sim_ns, source = self._schedule.pop()
        if source == 'physics':
            if sim_ns > 0:
                self.robot.step()
            return self._changed_state(sim_ns)
        if self._silent(source, sim_ns):
            return []
        motion = self.robot.motion_at(sim_ns)
        return self._sensors[source](sim_ns, motion)

    def _silent(self, sensor: str, sim_ns: int) -> bool:
        return any(gap.sensor == sensor and gap.active(sim_ns) for gap in self._gaps)

    def _changed_state(self, sim_ns: int) -> list[Outgoing]:
        state = self.robot.state
        if (self._state_sent in (None, state) or self._rates.state == 0.0
                or self._silent('state', sim_ns)):
            return []
        self._state_sent = state
        return [('state', self._messages.text(state))]

    def _state(self, sim_ns: int, motion: Motion) -> list[Outgoing]:
        self._state_sent = self.robot.state
        return [('state', self._messages.text(self.robot.state))]

    def _camera_view(self, sim_ns: int, motion: Motion) -> list[Outgoing]:
        assert self._camera is not None
        x, y, yaw = motion.pose
        text = f't={sim_ns / SECOND_NS:7.2f} s v={motion.speed:4.2f} m/s {self.robot.state}'
        picture = self._camera.picture(
            x + body.RADIUS * math.cos(yaw), y + body.RADIUS * math.sin(yaw), yaw,
            self.world.faces_with(self.robot.obstacles), text)
        return [('image', self._messages.image(sim_ns, self._camera.jpeg(picture))),
                ('camera_info', self._messages.camera_info(sim_ns))]

    def _scan(self, sim_ns: int, motion: Motion) -> list[Outgoing]:
        x, y, yaw = motion.pose
        ranges = self._lidar.scan(
            x + body.LIDAR_FORWARD * math.cos(yaw), y + body.LIDAR_FORWARD * math.sin(yaw), yaw,
            self.world.faces_with(self.robot.obstacles))
        return [('scan', self._messages.scan(sim_ns, ranges, 1.0 / self._rates.scan))]

    def _costmap(self, sim_ns: int, motion: Motion) -> list[Outgoing]:
        grid = grids.costmap(self.world, self.robot.obstacles, odom_in_map(motion),
                             motion.odometry)
        return [('costmap', self._messages.costmap(sim_ns, grid))]

    def _odom(self, sim_ns: int, motion: Motion) -> list[Outgoing]:
        return [('odom', self._messages.odom(sim_ns, motion, self.robot.drive.slip))]

    def _tf(self, sim_ns: int, motion: Motion) -> list[Outgoing]:
        return [('tf', self._messages.tf(sim_ns, motion))]

    def _imu(self, sim_ns: int, motion: Motion) -> list[Outgoing]:
        return [('imu', self._messages.imu(sim_ns, motion, next(self._imu_noise)))]

    def _battery(self, sim_ns: int, motion: Motion) -> list[Outgoing]:
        return [('battery', self._messages.battery(sim_ns, self.robot.battery))]

    def _diagnostics(self, sim_ns: int, motion: Motion) -> list[Outgoing]:
        header = self._messages.header(sim_ns)
        return [('diagnostics', health.diagnostics(
            header, self.robot, self._silent('scan', sim_ns)))]
