"""Alert rules tried on the history: what they would have raised, had they been there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from twinsight_recorder.alerting.change import AlertChange
from twinsight_recorder.alerting.engine import AlertEngine
from twinsight_recorder.alerting.rule import AlertRule
from twinsight_store.history.postgres import Connection
from twinsight_store.history.samples import (
    find_robots,
    find_series,
    read_samples,
    SampleSelection,
)
from twinsight_store.selection import Selection


class AlertTrial:
    """
    One run of rules over stored samples, with memory that does not grow with their number.

    samples  that were read so far
    engine   what judges them
    """

    def __init__(
        self, connection: Connection, rules: Sequence[AlertRule], selection: Selection
    ) -> None:
        """
        Find out what there is to read; raises psycopg.Error.

        selection  has an end: what is silent then is missing. Where missions are selected, it is
                   when they were seen last, if that was before
        """
        self.samples = 0
        self.engine = AlertEngine(rules)
        self._connection = connection
        self._selection = SampleSelection(
            selection.robots, selection.missions, tuple({rule.metric: None for rule in rules}),
            selection.from_ns, selection.to_ns,
        )
        self.series = find_series(connection, self._selection)
        self._robots = find_robots(connection, self._selection)
        ends = [selection.to_ns or 0]
        if selection.missions and self._robots:
            ends.append(max(robot.until_ns for robot in self._robots))
        self._to_ns = min(ends)

    @property
    def is_empty(self) -> bool:
        """Return whether there is neither a sample nor a robot that should have had one."""
        expects = any(rule.is_expected for rule in self.engine.rules)
        return not self.series and not (expects and self._robots)

    @property
    def span(self) -> tuple[int, int]:
        """Return the times of the first and the last sample; the end where there is none."""
        return (
            min((each.first_ns for each in self.series), default=self._to_ns),
            max((each.last_ns for each in self.series), default=self._to_ns),
        )

    def changes(self, reached: Callable[[int], None]) -> Iterator[AlertChange]:
        """
        Give the changes in the order of their times; raises psycopg.Error.

        reached  is told how far the reading came, Unix ns
        """
        for robot in self._robots:
            self.engine.begin(robot.robot_id, robot.mission_id, robot.since_ns)
        for batch in read_samples(self._connection, self._selection, self.series):
            self.samples += len(batch)
            yield from self.engine.see_batch(batch)
            reached(int(batch.times[-1]))
        yield from self.engine.advance(self._to_ns)
