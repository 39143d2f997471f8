"""What was sent, stored and replayed, held against each other topic by topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinsight_demo.sighting import Sighting


@dataclass(frozen=True)
class Row:
    """
    One topic.

    replayed    None where its type is not installed here, so that it cannot be published
    late_ns     how far each replayed message was from its place in time, sorted
    """

    topic: str
    published: int
    stored: int
    replayed: int | None
    bytes: int
    identical: bool
    late_ns: Sequence[int] = ()

    @property
    def lost(self) -> int:
        """Return how many messages are missing at the end."""
        last = self.stored if self.replayed is None else min(self.stored, self.replayed)
        return self.published - last

    def late_quantile_ms(self, part: float) -> float | None:
        """Return the timing error in ms that the given part of the messages did not exceed."""
        if not self.late_ns:
            return None
        return self.late_ns[min(len(self.late_ns) - 1, int(part * len(self.late_ns)))] / 1e6


def compare(
    published: Sequence[Sighting],
    stored: Sequence[Sighting],
    replayed: Sequence[Sighting],
    prefix: str,
    rate: float,
    not_replayed: frozenset[str] = frozenset(),
) -> list[Row]:
    """
    Return a row for each topic that was published, by name.

    prefix        what the replayed topics' names begin with
    not_replayed  topics that cannot be published here
    """
    sent, kept, back = _by_topic(published), _by_topic(stored), _by_topic(replayed)
    # Playing starts with the first stored message; its replay is the zero of the timing.
    zero = min((each.time_ns for each in stored if each.topic not in not_replayed), default=0)
    start = min((each.time_ns for each in replayed), default=0)
    rows = []
    for topic in sorted(sent):
        there, again = kept.get(topic, []), back.get(prefix + topic, [])
        digests = [each.digest for each in sent[topic]]
        same = digests == [each.digest for each in there]
        if topic not in not_replayed:
            same = same and digests == [each.digest for each in again]
        errors = (
            abs((after.time_ns - start) - (before.time_ns - zero) / rate)
            for before, after in zip(there, again, strict=False)
        )
        rows.append(Row(
            topic, len(sent[topic]), len(there),
            None if topic in not_replayed else len(again),
            sum(each.size for each in sent[topic]), same, sorted(map(round, errors)),
        ))
    return rows


def _by_topic(sightings: Sequence[Sighting]) -> dict[str, list[Sighting]]:
    found: dict[str, list[Sighting]] = {}
    for sighting in sorted(sightings, key=lambda each: each.time_ns):
        found.setdefault(sighting.topic, []).append(sighting)
    return found
