"""What the metrics writer tells of itself: status, diagnostics, and a table at its end."""

from __future__ import annotations

from collections.abc import Sequence
import time

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rich.console import Console
from rich.table import Table

from twinsight_interfaces.msg import MetricSinkStatus, MetricsStatus
from twinsight_recorder.kafka.feed import KafkaFeed

_LATE_S = 10.0
"""Samples that wait longer than this for their sink are worth a warning."""

_COUNTS = ('messages', 'unreadable', 'samples', 'refused', 'behind')


def status_of(feeds: Sequence[KafkaFeed]) -> MetricsStatus:
    """
    Return how the feeds do; without header and rate.

    Every feed gets each message, so what is told of all together is the most that one has.
    """
    return MetricsStatus(
        messages=max(feed.tally.messages for feed in feeds),
        unreadable=max(feed.tally.unreadable for feed in feeds),
        samples=max(_accepted(feed) for feed in feeds),
        values=max(_accepted(feed) for feed in feeds),
        sinks=[_sink_status(feed) for feed in feeds],
    )


def diagnostic_of(node: str, feed: KafkaFeed) -> DiagnosticStatus:
    """Return a feed's entry on /diagnostics."""
    lag_s = _lag_s(feed)
    level, text = DiagnosticStatus.OK, 'writes'
    if feed.problem:
        level, text = DiagnosticStatus.ERROR, feed.problem
    elif lag_s > _LATE_S:
        level, text = DiagnosticStatus.WARN, f'{lag_s:.0f} s behind'
    elif not feed.partitions:
        text = 'no partition is ours: more writers than partitions, or not in the group yet'
    values = {
        **{name: getattr(feed.tally, name) for name in _COUNTS},
        'lag_s': f'{lag_s:.1f}',
        'partitions': ' '.join(map(str, feed.partitions)),
    }
    return DiagnosticStatus(
        level=level, name=f'{node}: {feed.sink.name}', message=text,
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def print_summary(console: Console, title: str, feeds: Sequence[KafkaFeed]) -> None:
    """Print what was written, sink by sink."""
    table = Table(title=title)
    table.add_column('sink')
    for name in _COUNTS:
        table.add_column('behind at the end' if name == 'behind' else name, justify='right')
    for feed in feeds:
        table.add_row(feed.sink.name, *(str(getattr(feed.tally, name)) for name in _COUNTS))
    console.print(table)


def _sink_status(feed: KafkaFeed) -> MetricSinkStatus:
    return MetricSinkStatus(
        name=feed.sink.name, state=int(feed.state), message=feed.problem,
        written=feed.tally.samples, refused=feed.tally.refused, waiting=feed.tally.waiting,
        lag_s=_lag_s(feed),
    )


def _accepted(feed: KafkaFeed) -> int:
    return feed.tally.samples + feed.tally.waiting


def _lag_s(feed: KafkaFeed) -> float:
    oldest_ns = feed.tally.oldest_ns
    return max(0.0, time.time() - oldest_ns / 1e9) if oldest_ns else 0.0
