"""The recorder's summary at its end: a table for people."""

from __future__ import annotations

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from twinsight_recorder.raw.recording import Recording

_TITLES = (
    'received', 'stored', 'lost', 'dropped', 'refused', 'rate limited', 'left out', 'in spool',
)


def is_complete(recording: Recording) -> bool:
    """Return whether every accepted message is in the store."""
    if holds_earlier(recording):
        return False
    topics = {*recording.topics, *recording.pump.journal.topics}
    tallies = [topic.tally for topic in topics]
    return not any(
        tally.dropped + tally.dropped_late + tally.refused + tally.unsaved + tally.waiting
        for tally in tallies
    )


def holds_earlier(recording: Recording) -> bool:
    """Return whether messages of an earlier recorder are still in the spool."""
    return recording.recovery is not None and not recording.recovery.ended


def print_summary(console: Console, recording: Recording) -> None:
    """Print what was recorded, topic by topic."""
    table = Table(title=f'recorded: {recording.what}')
    table.add_column('topic', overflow='fold')
    for title in (*_TITLES, 'bytes'):
        table.add_column(title, justify='right')
    sums = [0] * (len(_TITLES) + 1)
    for topic in sorted(recording.topics, key=lambda topic: topic.name):
        tally = topic.tally
        numbers = (
            tally.received, tally.stored, topic.lost,
            tally.dropped + tally.dropped_late + tally.unsaved,
            tally.refused, tally.rate_limited, tally.left_out, tally.waiting, tally.bytes,
        )
        sums = [old + new for old, new in zip(sums, numbers, strict=True)]
        table.add_row(topic.name, *map(str, numbers[:-1]), decimal(numbers[-1]))
    table.add_section()
    table.add_row('all', *map(str, sums[:-1]), decimal(sums[-1]))
    console.print(table)
    if waiting := sums[_TITLES.index('in spool')]:
        console.print(
            f'{waiting} messages wait in the spool {recording.pump.journal.folder}: '
            'the next recorder with this spool sends them',
            highlight=False, soft_wrap=True,
        )
    if holds_earlier(recording):
        console.print(
            f'messages of an earlier recorder wait in the spool {recording.pump.journal.folder}: '
            'the next recorder with this spool sends them',
            highlight=False, soft_wrap=True,
        )
