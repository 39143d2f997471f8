from types import SimpleNamespace

import numpy as np
import pytest

from twinsight_recorder.journal_settings import JournalSettings
from twinsight_recorder.metrics import log as metric_log
from twinsight_recorder.metrics.log import MetricLog
from twinsight_store.errors import SpoolError
from twinsight_store.metrics.batch import Delivery, encode, MetricBatch
from twinsight_store.metrics.fact import Alive
from twinsight_store.metrics.metric import Series
from twinsight_store.spool import Spool

SERIES = [Series('robot_05', 'A', 'count')]
BIG = 100_000_000


def batch(first, count=10):
    numbers = np.arange(first, first + count)
    return MetricBatch(
        SERIES, numbers + 1_000_000, np.zeros(count, np.uint32), numbers.astype(float)
    )


def batches(first, last, each=10):
    return [batch(start, each) for start in range(first, last, each)]


@pytest.fixture
def open_log(tmp_path):
    logs = []

    def make(source='robot/node/1', limit=BIG, memory=BIG, readers=1, keep_oldest=False):
        spool = JournalSettings(tmp_path / 'spool', limit, keep_oldest)
        logs.append(MetricLog(source, spool, memory, readers))
        logs[-1].open()
        return logs[-1]

    yield make
    for log in logs:
        log.close()


def take_all(log, reader, most=1000):
    """Take and settle all there is; return the values, and (source, number) of each batch."""
    values, numbers = [], []
    while not log.is_settled(reader):
        for delivery in log.take(reader, most):
            values += delivery.batch.values.tolist()
            numbers.append((delivery.source, delivery.number))
        log.done(reader)
    return values, numbers


def test_a_reader_gets_every_batch_in_order_with_its_number(open_log):
    log = open_log()
    log.append(batches(0, 100))
    values, numbers = take_all(log, log.readers[0])
    assert values == [*range(100)]
    assert numbers == [('robot/node/1', number) for number in range(1, 11)]


def test_a_reader_that_was_away_reads_from_the_spool_and_comes_back_to_memory(open_log):
    log = open_log(memory=3_000, readers=2)
    quick, slow = log.readers
    seen = []
    for start in range(0, 5000, 10):
        log.append([batch(start)])
        seen += take_all(log, quick)[0]
    assert seen == [*range(5000)]
    assert slow.position is not None  # memory holds a few batches only
    log.append(batches(5000, 5050))
    values, numbers = take_all(log, slow, most=70)
    assert values == [*range(5050)]
    assert [number for _, number in numbers] == [*range(1, 506)]
    assert slow.position is None
    log.append([batch(5050)])
    assert take_all(log, slow)[0] == [*range(5050, 5060)]


def test_what_a_killed_process_left_comes_first_with_its_old_numbers(open_log, tmp_path):
    killed = open_log('robot/node/1')
    killed.append(batches(0, 50))
    killed.take(killed.readers[0], 20)
    killed.done(killed.readers[0])
    killed._spool.close(False)  # as the end of a process does
    log = open_log('robot/node/2')
    assert log.earlier == 50  # its place was not kept: sinks pass over what they have
    log.append(batches(50, 80))
    values, numbers = take_all(log, log.readers[0])
    assert values == [*range(80)]
    assert numbers[:5] == [('robot/node/1', number) for number in range(1, 6)]
    assert numbers[5:] == [('robot/node/2', number) for number in range(1, 4)]


def test_nothing_stays_on_disk_once_every_reader_has_settled_all(open_log, tmp_path):
    log = open_log(readers=2)
    log.append(batches(0, 100))
    take_all(log, log.readers[0])
    assert log.close() == 0
    assert list((tmp_path / 'spool').glob('*.spool'))  # one reader has nothing yet
    log = open_log('robot/node/2', readers=2)
    assert log.earlier == 100
    for reader in log.readers:
        assert take_all(log, reader)[0] == [*range(100)]
    log.close()
    assert not list((tmp_path / 'spool').glob('*.spool'))
    assert open_log().earlier == 0


def test_a_long_run_does_not_fill_the_disk(open_log):
    log = open_log(limit=1_000_000)
    for start in range(0, 100_000, 100):
        log.append([batch(start, 100)])
        assert take_all(log, log.readers[0])[0] == [*range(start, start + 100)]
        assert log.spool_bytes < 200_000
    assert log.spool_problem == ''
    assert log.readers[0].dropped == 0


def test_a_full_spool_drops_the_oldest_and_counts_them_for_whoever_lacked_them(open_log):
    log = open_log(limit=1_000_000, memory=1000, readers=2)
    quick, away = log.readers
    for start in range(0, 100_000, 100):
        log.append([batch(start, 100)])
        take_all(log, quick)
    assert 'full (1000000 bytes), the oldest samples are dropped' in log.spool_problem
    assert log.spool_bytes <= 1_000_000
    values, _ = take_all(log, away)
    assert quick.dropped == 0
    assert 0 < away.dropped < 100_000
    assert values == [*range(away.dropped, 100_000)]


def test_a_full_spool_that_keeps_the_oldest_drops_what_comes(open_log):
    log = open_log(limit=1_000_000, memory=1000, keep_oldest=True)
    for start in range(0, 100_000, 100):
        log.append([batch(start, 100)])
    values, _ = take_all(log, log.readers[0])
    dropped = log.readers[0].dropped
    assert dropped > 0
    assert len(values) + dropped == 100_000
    kept = len(values) - 100  # the newest may still be in memory
    assert values[:kept] == [*range(kept)]


def test_without_a_spool_memory_is_all_there_is(open_log):
    log = open_log(limit=0, memory=5_000)
    log.append(batches(0, 1000))
    values, _ = take_all(log, log.readers[0])
    dropped = log.readers[0].dropped
    assert 0 < dropped < 1000
    assert values == [*range(dropped, 1000)]
    log.append(batches(1000, 1050))
    assert log.close() == 50  # nobody took them


def test_a_folder_that_vanishes_costs_nothing_while_memory_lasts(open_log, tmp_path):
    log = open_log()
    log.append(batches(0, 50))
    log._spool._spool.roll()
    (tmp_path / 'spool').rename(tmp_path / 'elsewhere')
    log.append(batches(50, 100))
    assert 'No such file or directory' in log.spool_problem
    assert take_all(log, log.readers[0])[0] == [*range(100)]
    (tmp_path / 'elsewhere').rename(tmp_path / 'spool')
    log.append(batches(100, 150))
    assert log.spool_problem == ''
    assert take_all(log, log.readers[0])[0] == [*range(100, 150)]


def test_facts_without_samples_arrive_too(open_log):
    log = open_log()
    log.append([MetricBatch(facts=[Alive('robot_05', 'A', second)]) for second in range(5)])
    found = log.take(log.readers[0])
    assert [each.batch.facts[0].time_ns for each in found] == [*range(5)]
    assert not log.is_settled(log.readers[0])
    log.done(log.readers[0])
    assert log.is_settled(log.readers[0])


def test_two_processes_do_not_share_a_spool(open_log):
    open_log()
    with pytest.raises(SpoolError, match='another process uses it'):
        open_log()


def test_a_folder_with_what_a_recorder_of_topics_left_is_refused(tmp_path, open_log):
    other = Spool(tmp_path / 'spool', BIG)
    other.append([(b'', b'a message that waits')])
    other.close()
    with pytest.raises(SpoolError, match='another kind of recorder left there'):
        open_log()
    found = Spool(tmp_path / 'spool', BIG)
    assert [bytes(each.payload) for each in found.read(found.start)] == [b'a message that waits']
    found.close()


def test_a_segment_that_cannot_be_read_is_counted_and_the_rest_arrives(open_log, tmp_path):
    log = open_log(limit=4_000_000, memory=1000)
    for start in range(0, 100_000, 100):
        log.append([batch(start, 100)])
    segments = sorted((tmp_path / 'spool').glob('*.spool'))
    assert len(segments) > 4
    segments[2].unlink()
    values, _ = take_all(log, log.readers[0], most=1_000_000)
    assert values == sorted(set(values))
    assert log.readers[0].dropped == 100_000 - len(values) > 0
    assert 'No such file' in log.spool_problem


def test_a_frame_of_another_version_is_counted_as_dropped(open_log):
    log = open_log(memory=1000)
    log.append(batches(0, 50))
    data = bytearray(encode(Delivery('robot/node/1', 6, batch(50))))
    data[0] = 9
    log._spool.write(bytes(data), 10)
    log._number += 1
    log.append(batches(60, 90))
    values, _ = take_all(log, log.readers[0])
    assert values == [*range(50), *range(60, 90)]
    assert log.readers[0].dropped == 10


def test_what_is_under_way_without_a_spool_is_lost_with_the_process(open_log):
    log = open_log(limit=0)
    log.append(batches(0, 100))
    assert len(log.take(log.readers[0], 40)) == 4
    assert log.close() == 100  # nobody said that it arrived


def test_the_lag_is_the_age_of_the_oldest_batch_that_is_not_settled(open_log, monkeypatch):
    clock = SimpleNamespace(now_s=100.0)
    monkeypatch.setattr(metric_log, 'time', SimpleNamespace(monotonic=lambda: clock.now_s))
    log = open_log(readers=2)
    quick, away = log.readers
    assert log.lag_s(away) == 0.0
    log.append([batch(0)])
    clock.now_s += 3.0
    log.append([batch(10)])
    clock.now_s += 4.0
    take_all(log, quick)
    assert log.lag_s(quick) == 0.0
    assert log.lag_s(away) == 7.0
    log.take(away, 10)
    log.done(away)
    assert log.lag_s(away) == 4.0
