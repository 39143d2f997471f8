"""What reached no viewer: lost by DDS, or left out by a bridge that is too busy."""

from __future__ import annotations

from collections.abc import Mapping

_MOST_NAMED = 3


class LossWatch:
    """Remembers what was told, and says so when there is more; counts are by topic."""

    def __init__(self) -> None:
        """Make one that has told nothing."""
        self._told = 0

    def news(self, by_dds: Mapping[str, int], left_out: Mapping[str, int]) -> str:
        """Return a sentence where more is lost than last time, else nothing."""
        total = sum(by_dds.values()) + sum(left_out.values())
        is_more, self._told = total > self._told, total
        parts = [
            f'{what}: {_named(counts)}' for what, counts in (
                ('lost on the way to the bridge', by_dds),
                ('left out by the bridge, which cannot keep up', left_out),
            ) if any(counts.values())
        ]
        return '; '.join(parts) if is_more else ''


def _named(counts: Mapping[str, int]) -> str:
    worst = sorted((topic for topic in counts if counts[topic]), key=lambda each: -counts[each])
    more = f' and {len(worst) - _MOST_NAMED} more topics' if len(worst) > _MOST_NAMED else ''
    return ', '.join(f'{counts[each]} of {each}' for each in worst[:_MOST_NAMED]) + more
