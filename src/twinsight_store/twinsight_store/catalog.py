"""What there is in the store: robots, their topics, missions and time span."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import json

from twinsight_store import labels as label
from twinsight_store import layout
from twinsight_store.channel import Channel
from twinsight_store.connection import Connection, store_errors
from twinsight_store.errors import NothingMatchedError, RecordError
from twinsight_store.record_query import fetch
from twinsight_store.selection import all_of, Selection
from twinsight_store.times import format_span

_ENTRIES_A_QUERY = 200


@dataclass(frozen=True)
class Entry:
    """
    One topic of one robot, with the timestamps (µs) of its first and last record.

    It is one also where its records lie in several buckets.
    """

    name: str
    oldest_us: int
    latest_us: int
    records: int
    bytes: int

    @property
    def robot_id(self) -> str:
        """Return whose entry it is."""
        return layout.robot_of(self.name)

    def __add__(self, other: Entry) -> Entry:
        return Entry(
            self.name,
            min(self.oldest_us, other.oldest_us),
            max(self.latest_us, other.latest_us),
            self.records + other.records,
            self.bytes + other.bytes,
        )


class Catalog:
    """Looks up entries, channels and missions of the connection's buckets."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def entries(self) -> list[Entry]:
        """
        Return the entries that hold records, by name.

        Raises NothingMatchedError where none of the buckets is there.
        """
        found: dict[str, Entry] = {}
        for bucket in await self._connection.present():
            with store_errors(self._connection.settings):
                listed = await bucket.get_entry_list()
            for each in listed:
                if each.record_count and '/' in each.name:
                    entry = Entry(
                        each.name, each.oldest_record, each.latest_record,
                        each.record_count, each.size,
                    )
                    known = found.get(entry.name)
                    found[entry.name] = known + entry if known else entry
        return sorted(found.values(), key=lambda entry: entry.name)

    async def channels(self, entries: Iterable[str]) -> dict[str, dict[str, Channel]]:
        """
        Return, by entry, its channels by id; '' stands for the latest one.

        An entry without a readable description is left out.
        """
        names = [f'{entry}/$meta' for entry in entries]
        found: dict[str, dict[str, Channel]] = {}
        for start in range(0, len(names), _ENTRIES_A_QUERY):
            some = names[start:start + _ENTRIES_A_QUERY]
            records = await fetch(self._connection, some)
            for record in sorted(records, key=lambda record: record.timestamp_us):
                key = record.labels.get('key', '')
                if not key.startswith(layout.ATTACHMENT):
                    continue
                entry = record.entry.removesuffix('/$meta')
                try:
                    channel = Channel.from_attachment(json.loads(record.data), entry)
                except (RecordError, ValueError):
                    continue  # reported by whoever needs this channel for a message
                found.setdefault(entry, {})[channel.id] = channel
                if key == layout.ATTACHMENT:
                    found[entry][''] = channel
        return found

    async def missions(self, robot_id: str) -> list[str]:
        """Return the robot's missions in the order of their first record."""
        known: dict[str, int] = {}
        while True:
            # The server sends each entry's first record whose mission is not known yet.
            known_too = [label.condition(label.MISSION, label.decode(text)) for text in known]
            condition = all_of(
                {'$exists': [label.MISSION]},
                {'$not': [each for each in known_too if each]} if known else None,
                {'$limit': 1},
            )
            fresh: dict[str, int] = {}
            for record in await fetch(
                self._connection, [f'{robot_id}/**'], when=condition, head=True
            ):
                mission = record.labels.get(label.MISSION)
                if mission and mission not in known:
                    first_us = fresh.get(mission, record.timestamp_us)
                    fresh[mission] = min(first_us, record.timestamp_us)
            if not fresh:
                ordered = sorted(known, key=lambda mission: known[mission])
                return [label.decode(mission) for mission in ordered]
            known.update(fresh)

    async def nothing(self, selection: Selection) -> NothingMatchedError:
        """Return the error for a selection without messages, which says what there is."""
        there = await self._describe(selection)
        return NothingMatchedError(f'nothing matches {selection.describe()}; there is {there}')

    async def _describe(self, selection: Selection) -> str:
        """Return, in one line, what there is near a selection that matched nothing."""
        entries = await self.entries()
        absent = await self._connection.absent()
        missing = [f'no bucket {name!r}' for name in absent]
        if not entries:
            buckets = self._connection.settings.buckets
            empty = [f'bucket {name!r} is empty' for name in buckets if name not in absent]
            return '; '.join(empty + missing)
        robots: dict[str, list[Entry]] = {}
        for entry in entries:
            robots.setdefault(entry.robot_id, []).append(entry)
        asked = [robot for robot in robots if selection.robots and selection.has_robot(robot)]
        parts = []
        for robot in asked or list(robots)[:10]:
            span = format_span(
                min(entry.oldest_us for entry in robots[robot]) * 1000,
                max(entry.latest_us for entry in robots[robot]) * 1000,
            )
            missions = ', '.join(await self.missions(robot)) or 'none'
            parts.append(f'{robot} (missions {missions}; {span})')
        if not asked and len(robots) > 10:
            parts.append(f'and {len(robots) - 10} more robots')
        if asked and selection.topics:
            topics = sorted({f'/{entry.name.split("/", 1)[1]}' for entry in robots[asked[0]]})
            parts.append(f'topics {", ".join(topics)}')
        return '; '.join(parts + missing)
