"""What a replay did, as a table for people or JSON for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.filesize import decimal
from rich.table import Table

from twinsight_replay.timing_error import TimingError
from twinsight_replay.topic_publishers import Published


def as_table(topics: Sequence[Published]) -> Table:
    """Return a table with a row a topic; timing errors in milliseconds."""
    table = Table(title='replayed')
    table.add_column('topic', overflow='fold')
    for title in ('messages', 'bytes', 'p50 late', 'p99 late', 'max late'):
        table.add_column(title, justify='right')
    for topic in topics:
        if topic.publisher is None:
            late = ['not published'] * 1 + [''] * 2
        else:
            late = [
                f'{ns / 1e6:.2f} ms'
                for ns in (
                    topic.timing.quantile_ns(0.5), topic.timing.quantile_ns(0.99),
                    topic.timing.max_ns,
                )
            ]
        table.add_row(topic.name, str(topic.messages), decimal(topic.bytes), *late)
    return table


def as_dict(topics: Sequence[Published], unreadable: int) -> dict[str, Any]:
    """
    Return the same for scripts; timing errors in nanoseconds.

    unreadable  records that could not be read
    """
    whole = TimingError.of_all(topic.timing for topic in topics)
    return {
        'published': sum(topic.messages for topic in topics if topic.publisher is not None),
        'not_published': sum(topic.messages for topic in topics if topic.publisher is None),
        'unreadable': unreadable,
        **_late(whole),
        'topics': [
            {
                'topic': topic.name,
                'type': topic.type_name,
                'published': topic.publisher is not None,
                'messages': topic.messages,
                'bytes': topic.bytes,
                'latched': topic.latched,
                **_late(topic.timing),
            }
            for topic in topics
        ],
    }


def _late(timing: TimingError) -> dict[str, int]:
    return {
        'late_p50_ns': timing.quantile_ns(0.5),
        'late_p99_ns': timing.quantile_ns(0.99),
        'late_max_ns': timing.max_ns,
    }
