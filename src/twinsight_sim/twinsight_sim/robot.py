"""The robot as a whole: what it is doing, what stands in its way, what it draws."""

from __future__ import annotations

import math

from twinsight_sim import battery as cells
from twinsight_sim.battery import Battery
from twinsight_sim.drive import Drive, Motion
from twinsight_sim.faults import Fault
from twinsight_sim.route import ACCELERATION, Route
from twinsight_sim.world import Box, obstacle

STEP_NS = 10_000_000
"""One step of physics, nanoseconds."""

STATION_NS = 3_000_000_000
FIRST_START_NS = 1_000_000_000
"""How long the robot rests at the station: after a round trip, and before the first one."""

PATIENCE_NS = 4_000_000_000
"""After this long in front of an obstacle BLOCKED becomes ERROR."""

OBSTACLE_AHEAD = (2.9, 3.2, 3.5, 3.8)
"""How far ahead on its way an obstacle may appear, metres: the first that is not in a corner."""

KEEP_OFF = 1.6
"""Distance from base_link to an obstacle's centre at which the robot stands, metres."""

CLEAR = 100.0
"""Room where nothing is ahead, metres."""

IDLE, DRIVING, BLOCKED, ERROR, CHARGING = 'IDLE', 'DRIVING', 'BLOCKED', 'ERROR', 'CHARGING'


class Robot:
    """Steps by ``STEP_NS`` from simulation time 0; between steps it is extrapolated."""

    def __init__(self, route: Route, faults: tuple[Fault, ...], charge: float,
                 slip: tuple[float, float]) -> None:
        self.drive = Drive(route, slip)
        self.battery = Battery(charge)
        self.state = IDLE
        self.motor_temperature = 24.0
        self._obstacles: dict[Fault, tuple[float, Box]] = {}
        self._stops = [f for f in faults if f.kind == 'obstacle_stop']
        self._drops = [f for f in faults if f.kind == 'battery_drop']
        self._round = 1
        self._since_ns = 0
        self._leave_ns = FIRST_START_NS
        self.sim_ns = 0

    @property
    def obstacles(self) -> tuple[Box, ...]:
        """What stands in the aisles now, beside the fixed world."""
        return tuple(box for _, box in self._obstacles.values())

    def motion_at(self, sim_ns: int) -> Motion:
        """Return the motion at a time (ns) at or less than one step after the last one."""
        return self.drive.extrapolate(self.drive.motion, (sim_ns - self.sim_ns) * 1e-9)

    def step(self) -> None:
        """Do one step of physics."""
        self.sim_ns += STEP_NS
        seconds = STEP_NS * 1e-9
        self._place_obstacles()
        room = self._room()
        self._decide(room)
        go = self.state == DRIVING
        self.drive.step(seconds, (2.0 * ACCELERATION * max(room, 0.0)) ** 0.5 if go else 0.0)
        motion = self.drive.motion
        load = 1.5 + 5.0 * motion.speed + 8.0 * max(0.0, motion.acceleration)
        dropping = bool(self._drops) and any(f.active(self.sim_ns) for f in self._drops)
        self.battery.step(seconds, load, self.state == CHARGING, dropping)
        warm = 24.0 + 2.5 * load
        self.motor_temperature += (warm - self.motor_temperature) * seconds / 60.0

    def _room(self) -> float:
        """Distance left to drive before the nearest obstacle, metres."""
        if not self._obstacles:
            return CLEAR
        ahead = [at - self.drive.travelled for at, _ in self._obstacles.values()]
        return min((d for d in ahead if d > 0.0), default=CLEAR + KEEP_OFF) - KEEP_OFF

    def _decide(self, room: float) -> None:
        """Change the state where it is time to."""
        waited_ns = self.sim_ns - self._since_ns
        standing = self.drive.motion.speed < 0.02
        if self.state == DRIVING:
            left = self._round * self.drive.route.length - self.drive.travelled
            if standing and room < 0.05:
                self._become(BLOCKED)
            elif left < 0.02:
                self._round += 1
                self._leave_ns = self.sim_ns + STATION_NS
                self._become(CHARGING if self.battery.charge < cells.LOW else IDLE)
        elif self.state in (BLOCKED, ERROR):
            if room > 0.3:
                self._become(DRIVING)
            elif self.state == BLOCKED and waited_ns >= PATIENCE_NS:
                self._become(ERROR)
        elif self.state == CHARGING:
            if self.battery.charge >= cells.FULL:
                self._become(DRIVING)
        elif self.sim_ns >= self._leave_ns:
            self._become(DRIVING)

    def _become(self, state: str) -> None:
        self.state = state
        self._since_ns = self.sim_ns

    def _place_obstacles(self) -> None:
        for fault in self._stops:
            active = fault.active(self.sim_ns)
            if active and fault not in self._obstacles:
                self._obstacles[fault] = self._obstacle_ahead()
            elif not active:
                self._obstacles.pop(fault, None)

    def _obstacle_ahead(self) -> tuple[float, Box]:
        """Choose where an obstacle appears, so that the robot faces it when it has stopped."""
        route, travelled = self.drive.route, self.drive.travelled

        def bend(ahead: float) -> float:
            stands, faces = (route.place(travelled + d) for d in (ahead - KEEP_OFF, ahead))
            return abs(math.remainder(faces.heading - stands.heading, 2.0 * math.pi))

        straight = [ahead for ahead in OBSTACLE_AHEAD if bend(ahead) < 0.15]
        at = travelled + (straight or OBSTACLE_AHEAD)[0]
        place = route.place(at)
        return at, obstacle(place.x, place.y, place.heading)
