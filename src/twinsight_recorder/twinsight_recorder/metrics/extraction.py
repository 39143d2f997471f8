"""From the messages of a topic to samples: all rules that are meant for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twinsight_recorder.metrics.topic_metrics import TopicMetrics
from twinsight_store.errors import RecordError
from twinsight_store.metrics.columns import SampleColumns


class TopicExtractor:
    """Makes samples of the messages of one topic; made by MetricRules, used by one thread."""

    def __init__(
        self, topic: str, parts: Sequence[TopicMetrics], problem: Callable[[str], object]
    ) -> None:
        self.topic = topic
        self._parts = parts
        self._problem = problem
        self._told = False

    def take(self, data: bytes, receive_ns: int, out: SampleColumns) -> None:
        """
        Add the samples of a serialized message that came at receive_ns (Unix, ns).

        A damaged message is counted, and told once.
        """
        out.counts.messages += 1
        try:
            for part in self._parts:
                part.take(data, receive_ns, out)
        except RecordError as error:
            out.counts.unreadable += 1
            if not self._told:
                self._told = True
                self._problem(f'topic {self.topic}: a message cannot be read ({error})')

    def forget(self) -> None:
        """Store with the next message what is stored on change only: a mission begins."""
        for part in self._parts:
            part.forget()
