"""The outbox with a sink that the test holds up: what is counted, and how it ends."""

import threading

import numpy as np
import pytest
from pytest_ros import wait_until

from twinsight_recorder.journal_settings import JournalSettings
from twinsight_recorder.metrics.outbox import MetricOutbox, SinkState
from twinsight_recorder.metrics.stores import Store
from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.fact import Alive
from twinsight_store.metrics.metric import Series
from twinsight_store.metrics.sink import Written


class Sink:
    """Keeps what it gets; ``trouble`` is raised instead while it is set."""

    name = 'redis'

    def __init__(self):
        self.values = []
        self.trouble = None
        self.refuse = 0
        self.hang = threading.Event()
        self.hang.set()

    def write(self, deliveries):
        self.hang.wait()
        if self.trouble is not None:
            raise self.trouble
        for each in deliveries:
            self.values += each.batch.values.tolist()
        samples = sum(len(each.batch) for each in deliveries)
        return Written(samples, self.refuse, 'too odd' if self.refuse else '')

    def close(self):
        pass


def batch(first, count=10, facts=()):
    numbers = np.arange(first, first + count)
    series = [Series('robot_05', 'A', 'count')]
    return MetricBatch(
        series, numbers, np.zeros(count, np.uint32), numbers.astype(float), facts=facts
    )


@pytest.fixture
def outbox_of(tmp_path):
    hanging = []

    def make(sink, **given):
        settings = JournalSettings(tmp_path / 'spool', given.pop('limit', 100_000_000))
        hanging.append(sink)
        return MetricOutbox(
            'robot/node/1', settings, given.pop('memory', 10_000_000), [Store(sink)],
            given.pop('on_change', lambda runner: None),
            given.pop('on_earlier', lambda samples: None),
        )

    yield make
    for sink in hanging:
        sink.hang.set()


def test_what_is_offered_arrives_in_order_and_nothing_waits_afterwards(outbox_of):
    sink = Sink()
    outbox = outbox_of(sink)
    for first in range(0, 1000, 10):
        outbox.offer(batch(first))
    assert outbox.close(10) == 0
    assert sink.values == [*range(1000)]
    runner = outbox.runners[0]
    assert (runner.written, runner.refused, outbox.waiting(runner)) == (1000, 0, 0)


def test_facts_that_a_sink_refuses_do_not_spoil_the_count_of_what_waits(outbox_of):
    sink = Sink()
    sink.refuse = 3
    outbox = outbox_of(sink)
    outbox.offer(batch(0, 4, [Alive('robot_05', 'A', 1)] * 3))
    wait_until(lambda: outbox.runners[0].written == 4)
    sink.trouble = StoreUnavailableError('redis is away')
    outbox.offer(batch(4, 4))
    wait_until(lambda: outbox.runners[0].state == SinkState.WAITING)
    assert outbox.waiting(outbox.runners[0]) == 4
    outbox.close(0)


def test_states_and_problems_of_a_sink_are_told_as_they_change(outbox_of):
    sink, told = Sink(), []
    outbox = outbox_of(sink, on_change=lambda runner: told.append((runner.state, runner.problem)))
    sink.trouble = StoreUnavailableError('away')
    outbox.offer(batch(0))
    wait_until(lambda: told == [(SinkState.WAITING, 'away')])
    sink.trouble = StoreRefusedError('read-only', 403)
    wait_until(lambda: len(told) == 2)
    sink.trouble = None
    wait_until(lambda: sink.values == [*range(10)])
    outbox.close(10)
    assert told[1:] == [(SinkState.REFUSING, 'read-only'), (SinkState.OK, '')]


def test_a_sink_that_hangs_does_not_hold_up_the_end_and_its_samples_stay_on_disk(
    outbox_of, tmp_path,
):
    sink = Sink()
    sink.hang.clear()
    outbox = outbox_of(sink)
    outbox.offer(batch(0, 100))
    assert outbox.close(0.2) == 0  # it hangs until the test is over
    assert outbox.waiting(outbox.runners[0]) == 100
    assert list((tmp_path / 'spool').glob('*.spool'))


def test_more_than_memory_holds_is_dropped_and_counted(outbox_of):
    sink = Sink()
    outbox = outbox_of(sink, memory=100_000)
    with outbox.log._changed:  # the disk stands still
        for first in range(0, 100_000, 100):
            outbox.offer(batch(first, 100))
    assert outbox.dropped > 0
    assert outbox.accepted + outbox.dropped == 100_000
    outbox.close(10)
    assert sink.values == [*range(outbox.accepted)]
