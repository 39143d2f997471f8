"""Diagnostics: how battery, motors, LIDAR and navigation are, in the words of diagnostic_msgs."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from twinsight_sim.battery import Battery, LOW
from twinsight_sim.robot import BLOCKED, ERROR, Robot

HARDWARE = 'sim_robot'
CRITICAL = 0.15
"""Charge under which the battery is an error; under ``LOW`` it is a warning."""

WARM = 80.0
"""Motor temperature that is a warning, °C."""

LEVEL_OK, LEVEL_WARN, LEVEL_ERROR, LEVEL_STALE = (
    DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE)


def diagnostics(header: Header, robot: Robot, scan_silent: bool) -> DiagnosticArray:
    """Return one status each of battery, motors, LIDAR and navigation."""
    return DiagnosticArray(header=header, status=[
        _battery(robot.battery), _motors(robot), _lidar(scan_silent), _navigation(robot.state)])


def _status(name: str, level: bytes, message: str, **values: str) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id=HARDWARE,
        values=[KeyValue(key=key, value=value) for key, value in values.items()])


def _battery(battery: Battery) -> DiagnosticStatus:
    level, message = LEVEL_OK, 'charging' if battery.charging else 'ok'
    if battery.charge < CRITICAL:
        level, message = LEVEL_ERROR, 'nearly empty'
    elif battery.charge < LOW:
        level, message = LEVEL_WARN, 'low'
    return _status('battery', level, message, voltage=f'{battery.voltage:.2f}',
                   percentage=f'{battery.charge:.3f}', current=f'{battery.current:.2f}')


def _motors(robot: Robot) -> DiagnosticStatus:
    hot = robot.motor_temperature > WARM
    return _status('motors', LEVEL_WARN if hot else LEVEL_OK, 'hot' if hot else 'ok',
                   temperature=f'{robot.motor_temperature:.1f}',
                   current=f'{max(0.0, -robot.battery.current):.2f}')


def _lidar(silent: bool) -> DiagnosticStatus:
    if silent:
        return _status('lidar', LEVEL_STALE, 'no data')
    return _status('lidar', LEVEL_OK, 'ok')


def _navigation(state: str) -> DiagnosticStatus:
    level = {BLOCKED: LEVEL_WARN, ERROR: LEVEL_ERROR}.get(state, LEVEL_OK)
    message = {BLOCKED: 'obstacle ahead', ERROR: 'obstacle does not go away'}.get(state, 'ok')
    return _status('navigation', level, message, state=state)
