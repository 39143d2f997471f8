"""How files are laid out, and how much is kept of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from twinsight_store.errors import ConfigurationError


@dataclass(frozen=True)
class FileSettings:
    """
    How files are laid out, and how much is kept in memory and done at once.

    chunk_bytes  a chunk is closed before it grows beyond it; a bigger message has one of its own
    plan_bytes   what the plan of one file may take; it takes about 0.01 % of the file
    kept_bytes   what the plans that are kept may take together
    kept_plans   how many are kept
    kept_s       for so long a plan is kept that nobody reads by
    trusted_s    for so long a plan is taken for true where no look tells: of metrics and events,
                 and of times that count from now
    making       so many plans are made at once
    reading      so many files are read at once
    waiting      so many requests wait for their turn
    """

    chunk_bytes: int = 2 << 20
    plan_bytes: int = 128_000_000
    kept_bytes: int = 256_000_000
    kept_plans: int = 32
    kept_s: float = 900.0
    trusted_s: float = 5.0
    making: int = 2
    reading: int = 12
    waiting: int = 48

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value < 0 or (value == 0 and each.name != 'trusted_s'):
                raise ConfigurationError(f'{each.name} {value}: accepted are numbers above 0')
