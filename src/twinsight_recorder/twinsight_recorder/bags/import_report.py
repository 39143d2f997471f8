"""What an import did, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from twinsight_store.channel import Channel
from twinsight_store.layout import Record
from twinsight_store.writer import Written

_NAMED_TOPICS = 8


@dataclass
class Tally:
    """Messages of a topic by what became of them; bytes are those of all its messages."""

    messages: int = 0
    new: int = 0
    already_there: int = 0
    refused: int = 0
    bytes: int = 0

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.messages += other.messages
        self.new += other.new
        self.already_there += other.already_there
        self.refused += other.refused
        self.bytes += other.bytes


@dataclass
class ImportReport:
    """Counts what becomes of the messages, and collects what went wrong."""

    topics: dict[str, Tally] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    channels: dict[Channel, None] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def total(self) -> Tally:
        """Return the tally of all topics together."""
        total = Tally()
        for tally in self.topics.values():
            total.add(tally)
        return total

    @property
    def failed(self) -> bool:
        """Return whether anything of the bags is missing in the store."""
        return bool(self.problems or self.refusals)

    def count(self, written: Written) -> None:
        """Count what became of a batch."""
        for record in written.stored:
            self._tally(record).new += record.messages
        for record in written.present:
            self._tally(record).already_there += record.messages
        for record, reason in written.refused:
            self._tally(record).refused += record.messages
            self.refusals[reason] += record.messages

    def add_file(self, path: Path, channels: Sequence[Channel]) -> None:
        """Note that a file was read to its end."""
        self.files.append(path)
        self.channels.update(dict.fromkeys(channels))

    def add_problems(self, path: Path, problems: Sequence[str]) -> None:
        """Note what could not be read of a file, one line for all of it."""
        if problems:
            self.problems.append(f'{path}: {"; ".join(problems)}')

    def notes(self) -> list[str]:
        """Return what is no failure, but good to know."""
        notes = []
        bare = [f'{one.topic} ({one.type_name})' for one in self.channels if not one.schema]
        if bare:
            notes.append(f'no message definition in the bags, stored without: {_some(bare)}')
        other = [
            f'{one.topic} ({one.message_encoding})'
            for one in self.channels
            if one.message_encoding != 'cdr'
        ]
        if other:
            notes.append(f'not CDR, so replay cannot publish them: {_some(other)}')
        return notes

    def as_json(self) -> dict[str, Any]:
        """Return everything as a JSON object."""
        return {
            'files': [str(path) for path in self.files],
            'topics': {topic: asdict(tally) for topic, tally in sorted(self.topics.items())},
            'total': asdict(self.total),
            'seconds': round(self.seconds, 3),
            'refused': dict(self.refusals),
            'problems': self.problems,
            'notes': self.notes(),
        }

    def table(self) -> Table:
        """Return the tallies as a table."""
        table = Table(show_footer=True)
        total = self.total
        table.add_column('topic', 'total', overflow='fold')
        for name in ('messages', 'new', 'already there', 'refused', 'bytes'):
            if name == 'refused' and not total.refused:
                continue
            value = getattr(total, name.replace(' ', '_'))
            table.add_column(name, f'{value:,}', justify='right', no_wrap=True)
        for topic, tally in sorted(self.topics.items()):
            values = [tally.messages, tally.new, tally.already_there]
            values += [tally.refused] if total.refused else []
            table.add_row(topic, *(f'{value:,}' for value in [*values, tally.bytes]))
        return table

    def _tally(self, record: Record) -> Tally:
        tally = self.topics.setdefault(record.channel.topic, Tally())
        tally.messages += record.messages
        tally.bytes += record.payload_bytes
        return tally


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_TOPICS
    text = ', '.join(names[:_NAMED_TOPICS])
    return f'{text} and {more} more' if more > 0 else text
