"""The recorder's summary at its end: a table for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from twinsight_recorder.recorded_topic import RecordedTopic


def is_complete(topics: Iterable[RecordedTopic]) -> bool:
    """Return whether every accepted message is in the store."""
    return not any(
        topic.tally.dropped + topic.tally.refused + topic.tally.unsaved for topic in topics
    )


def print_summary(
    console: Console, robot_id: str, mission_id: str, topics: Iterable[RecordedTopic]
) -> None:
    """Print what was recorded, topic by topic."""
    table = Table(title=f'recorded: robot {robot_id}, mission {mission_id}')
    table.add_column('topic', overflow='fold')
    for title in ('received', 'stored', 'lost', 'dropped', 'refused', 'rate limited', 'bytes'):
        table.add_column(title, justify='right')
    sums = [0] * 7
    for topic in sorted(topics, key=lambda topic: topic.name):
        tally = topic.tally
        numbers = (
            tally.received, tally.stored, topic.loss.lost, tally.dropped + tally.unsaved,
            tally.refused, tally.rate_limited, tally.bytes,
        )
        sums = [old + new for old, new in zip(sums, numbers, strict=True)]
        table.add_row(topic.name, *map(str, numbers[:-1]), decimal(numbers[-1]))
    table.add_section()
    table.add_row('all', *map(str, sums[:-1]), decimal(sums[-1]))
    console.print(table)
