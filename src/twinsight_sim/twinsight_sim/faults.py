"""Faults on request: the small language of the ``faults`` parameter."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
import re

SENSORS = ('camera', 'scan', 'costmap', 'odom', 'imu', 'battery', 'state', 'diagnostics', 'tf')
"""What ``sensor_gap`` can silence and what ``rates.*`` sets, by the same names."""

ACCEPTED = (
    'obstacle_stop@START+SECONDS, battery_drop@START, sensor_gap:SENSOR@START+SECONDS '
    '(START and SECONDS in seconds, SECONDS above 0; SENSOR one of ' + ', '.join(SENSORS) + ')'
)

_NUMBER = r'\d+(?:\.\d+)?'
_FORM = re.compile(
    rf'(?P<kind>obstacle_stop|battery_drop|sensor_gap)(?::(?P<sensor>\w+))?'
    rf'@(?P<start>{_NUMBER})(?:\+(?P<seconds>{_NUMBER}))?'
)


@dataclass(frozen=True)
class Fault:
    """
    One fault on the simulation's clock; it holds in ``[start_ns, end_ns)``.

    ``end_ns`` is None for a fault that never ends, ``sensor`` is set for a sensor gap only.
    """

    kind: str
    start_ns: int
    end_ns: int | None = None
    sensor: str | None = None

    def active(self, sim_ns: int) -> bool:
        """Say whether the fault holds at this simulation time (ns)."""
        return self.start_ns <= sim_ns and (self.end_ns is None or sim_ns < self.end_ns)


def parse_fault(text: str) -> Fault:
    """Read one fault of the ``ACCEPTED`` forms, ``obstacle_stop@10+5`` say; else ValueError."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'{text!r} is no fault')
    kind, sensor, seconds = match['kind'], match['sensor'], match['seconds']
    start_ns = _nanoseconds(match['start'])
    length_ns = None if seconds is None else _nanoseconds(seconds)
    shape_is_right = {
        'obstacle_stop': sensor is None and bool(length_ns),
        'battery_drop': sensor is None and length_ns is None,
        'sensor_gap': sensor in SENSORS and bool(length_ns),
    }[kind]
    if not shape_is_right:
        raise ValueError(f'{text!r} is no fault')
    end_ns = None if length_ns is None else start_ns + length_ns
    return Fault(kind, start_ns, end_ns, sensor)


def _nanoseconds(seconds: str) -> int:
    return int(Decimal(seconds) * 1_000_000_000)
