"""How long the history of the metrics is kept, and when it is compressed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from twinsight_store.errors import ConfigurationError
from twinsight_store.history.postgres import Connection

_DAY_S = 86400.0
_SHORTEST_S = 60.0

# The policies are of the database, where the samples of all robots lie: were it the shortest,
# or the last one, a test bench that keeps a day would delete what others keep for ever.
_AGREE = """
    INSERT INTO history_policy AS p (retention, compress_after) VALUES (%s, %s)
    ON CONFLICT (one) DO UPDATE SET
        retention = CASE WHEN p.retention IS NOT NULL AND EXCLUDED.retention IS NOT NULL
                    THEN greatest(p.retention, EXCLUDED.retention) END,
        compress_after = greatest(p.compress_after, EXCLUDED.compress_after)
    RETURNING extract(epoch FROM retention)::float8, extract(epoch FROM compress_after)::float8
"""


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


def agree(connection: Connection, wanted: HistoryPolicies) -> HistoryPolicies:
    """
    Return what holds in the database: the longest that anybody wanted, for ever before all.

    To shorten it takes its owner's UPDATE of history_policy; recorders apply it as they start.
    Raises psycopg.Error.
    """
    retention = None if wanted.retention_s is None else timedelta(seconds=wanted.retention_s)
    row = connection.execute(
        _AGREE, [retention, timedelta(seconds=wanted.compress_after_s)]
    ).fetchone()
    return HistoryPolicies(*row) if row else wanted
