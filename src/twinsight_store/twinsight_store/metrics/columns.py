"""Samples as they are taken: names with numbers, and columns of bounded length."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np

from twinsight_store.errors import ConfigurationError
from twinsight_store.field_steps import Value
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.fact import Fact, MetricInfo
from twinsight_store.metrics.metric import normalised, Series

NAME_LIMIT = 200
"""A metric's name has so many characters at most."""

_NO_NUMBER = math.nan
_MANY_CHARACTERS = 500_000


def check_metric_name(name: str) -> str:
    """Return a metric's name; raises ConfigurationError where it is not usable."""
    if not name or not name.isprintable() or name != name.strip() or len(name) > NAME_LIMIT:
        raise ConfigurationError(
            f'metric {name[:NAME_LIMIT]!r}: a name has 1 to {NAME_LIMIT} printable characters, '
            'with no space at its ends'
        )
    return name


class MetricNames:
    """The names of one run's metrics; their numbers are those of SampleColumns."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._infos: list[tuple[str, str, str, str]] = []
        self._told = 0
        self._next_again = 0

    def __getitem__(self, number: int) -> str:
        return self._infos[number][0]

    def __len__(self) -> int:
        return len(self._infos)

    def number(self, name: str, unit: str, topic: str, field: str) -> int:
        """
        Return the number of a metric, a new one where the name is new.

        Raises ConfigurationError where the name is not usable.
        """
        known = self._numbers.get(name)
        if known is not None:
            return known
        number = self._numbers[check_metric_name(name)] = len(self._infos)
        self._infos.append((name, unit, topic, field))
        return number

    def new_infos(self, robot_id: str) -> list[MetricInfo]:
        """Return what is to be told of the metrics that are new since the last call."""
        new, self._told = self._infos[self._told:], len(self._infos)
        return [MetricInfo(robot_id, *each) for each in new]

    def infos_again(self, robot_id: str, count: int) -> list[MetricInfo]:
        """Return what is to be told of the next so many metrics; all get their turn."""
        begin = self._next_again if self._next_again < len(self._infos) else 0
        self._next_again = begin + count
        return [MetricInfo(robot_id, *each) for each in self._infos[begin:begin + count]]


@dataclass
class Counts:
    """
    What became of values since the start.

    values = samples + rate_limited + unchanged + not_measured + dropped

    messages      that were looked at; with the unreadable ones
    unreadable    messages that were damaged or of another type
    values        found in messages
    rate_limited  left out by max_rate
    unchanged     left out by on_change
    not_measured  NaN where the rule says that it stands for that
    dropped       accepted by the rules, but the columns were full
    altered       samples that are stored in another form: see metric.normalised()
    """

    messages: int = 0
    unreadable: int = 0
    values: int = 0
    rate_limited: int = 0
    unchanged: int = 0
    not_measured: int = 0
    dropped: int = 0
    altered: int = 0

    @property
    def samples(self) -> int:
        """Return how many samples were accepted."""
        left_out = self.rate_limited + self.unchanged + self.not_measured + self.dropped
        return self.values - left_out


class SampleColumns:
    """
    Gathers samples until they are sealed into a batch; used by one thread.

    counts  go on over all batches
    """

    def __init__(self, names: MetricNames, most_rows: int = 100_000) -> None:
        """Make one; a sample beyond most_rows is dropped and counted, until sealed() is called."""
        self.counts = Counts()
        self._names = names
        self._most_rows = most_rows
        self._times = array('q')
        self._numbers = array('I')
        self._values = array('d')
        self._texts: dict[int, str] = {}
        self._characters = 0

    def __len__(self) -> int:
        """Return the number of samples that wait to be sealed."""
        return len(self._times)

    @property
    def is_large(self) -> bool:
        """
        Return whether it is time to seal: half of the rows are used, or there is much text.

        A batch must also fit into one message of Kafka.
        """
        return (
            2 * len(self._times) >= self._most_rows or self._characters >= _MANY_CHARACTERS
        )

    def add(self, number: int, time_ns: int, value: Value) -> bool:
        """Add a sample in the form that normalised() gives it; return whether there was room."""
        row = len(self._times)
        if row >= self._most_rows:
            self.counts.dropped += 1
            return False
        stored = normalised(value)
        self.counts.altered += stored.altered
        if stored.text is not None:
            self._texts[row] = stored.text
            self._characters += len(stored.text)
        self._times.append(time_ns)
        self._numbers.append(number)
        self._values.append(_NO_NUMBER if stored.value is None else stored.value)
        return True

    def add_numbers(self, numbers: array[int], time_ns: int, values: list[float]) -> None:
        """
        Add a sample of each of several metrics.

        numbers  array('I') of the metrics' numbers, as many as there are values
        values   finite, and each is its own nearest float
        """
        count = len(values)
        if len(self._times) + count > self._most_rows:
            for number, value in zip(numbers, values, strict=True):
                self.add(number, time_ns, value)
            return
        self._times.fromlist([time_ns] * count)
        self._numbers.extend(numbers)
        self._values.fromlist(values)

    def sealed(
        self, robot_id: str, mission_id: str, facts: Sequence[Fact] = ()
    ) -> MetricBatch:
        """Return the samples as a batch, and begin anew."""
        used, numbers = np.unique(
            np.frombuffer(self._numbers, np.uint32), return_inverse=True
        ) if self._numbers else (np.empty(0, np.uint32), np.empty(0, np.uint32))
        batch = MetricBatch(
            [Series(robot_id, mission_id, self._names[int(number)]) for number in used],
            np.frombuffer(self._times, np.int64) if self._times else np.empty(0, np.int64),
            numbers.astype(np.uint32),
            np.frombuffer(self._values, np.float64) if self._values else np.empty(0),
            self._texts,
            facts,
        )
        self._times, self._numbers, self._values = array('q'), array('I'), array('d')
        self._texts, self._characters = {}, 0
        return batch
