"""How long the history of the metrics is kept, and when it is compressed."""

from __future__ import annotations

from dataclasses import dataclass

from twinsight_store.errors import ConfigurationError

_DAY_S = 86400.0
_SHORTEST_S = 60.0


@dataclass(frozen=True)
class HistoryPolicies:
    """
    What becomes of samples as they grow old; their robot's clock says how old they are.

    retention_s       they are deleted, and their aggregates; None: kept for ever. Missions and
                      events are always kept
    compress_after_s  TimescaleDB compresses the chunks (of a day) that are older
    """

    retention_s: float | None = None
    compress_after_s: float = 7 * _DAY_S

    def __post_init__(self) -> None:
        for name in ('retention_s', 'compress_after_s'):
            value = getattr(self, name)
            if value is not None and not _SHORTEST_S <= value < float('inf'):
                raise ConfigurationError(
                    f'{name} {value}: accepted is at least {_SHORTEST_S:g} (seconds)'
                    + (', or none for ever' if name == 'retention_s' else '')
                )
