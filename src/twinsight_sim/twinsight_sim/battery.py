"""A 24 V lithium battery of seven cells: charge, voltage and current."""

from __future__ import annotations

CAPACITY = 20.0
"""Ampere-hours."""

CELLS = 7
RESISTANCE = 0.05
"""Ohm, of the whole pack."""

LOW, EMPTY, FULL = 0.3, 0.05, 0.8
"""Share of the charge at which the robot wants the dock, cannot fall further, and leaves."""

CHARGE_PER_SECOND = 0.02
"""Share a second at the dock: faster than real cells allow, so that a demo gets to see it."""

DROP_PER_SECOND = 0.05
DROP_END = 0.1
"""A battery_drop fault takes this share a second, down to this rest."""


class Battery:
    """``charge`` is a share from 0 to 1, ``current`` in A is negative while discharging."""

    def __init__(self, charge: float) -> None:
        self.charge = charge
        self.current = 0.0
        self.charging = False
        self._dropping = False

    @property
    def voltage(self) -> float:
        """Volts at the terminals: 3.0 to 4.2 V a cell, less what the resistance takes."""
        sag = 1.2 if self._dropping else 0.0
        return CELLS * (3.0 + 1.2 * self.charge) + RESISTANCE * self.current - sag

    def step(self, seconds: float, load: float, charging: bool, dropping: bool) -> None:
        """Move on by a time under a load (A)."""
        self.charging = charging
        self._dropping = dropping and self.charge > DROP_END
        self.current = 20.0 - load if charging else -load
        change = CHARGE_PER_SECOND if charging else -load / (CAPACITY * 3600.0)
        if self._dropping:
            change -= DROP_PER_SECOND
        self.charge = min(1.0, max(EMPTY, self.charge + change * seconds))
