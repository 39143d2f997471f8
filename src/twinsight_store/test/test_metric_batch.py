import struct

import numpy as np
import pytest

from twinsight_store.errors import RecordError
from twinsight_store.metrics.batch import decode, Delivery, encode, MetricBatch
from twinsight_store.metrics.fact import (
    Alive,
    Event,
    MetricInfo,
    MissionEnded,
    MissionRecording,
    MissionStarted,
)
from twinsight_store.metrics.metric import Series

BATCH = MetricBatch(
    [Series('robot_05', 'mission_42', 'odom.x'), Series('robot_05', 'mission_42', 'state')],
    np.array([1_700_000_000_000_000_001, 1_700_000_000_000_000_002, 1_700_000_000_000_000_002]),
    np.array([0, 1, 0], np.uint32),
    np.array([1.25, np.nan, -3e300]),
    {1: 'DRIVING "☃"\n'},
    [
        Alive('robot_05', 'mission_42', 3),
        MissionStarted('robot_05', 'mission_43', 4, {'site': 'hall 2'}),
        MissionEnded('robot_05', 'mission_42', 4),
        MissionRecording('robot_05', 'mission_42', 'recorder@5', {'/scan': (10, 2_000)}),
        Event('robot_05', 'mission_42', 6, 'alert_raised', 'warn', 'low', {'value': 0.1}),
        MetricInfo('robot_05', 'odom.x', 'm', '/odom', 'pose.pose.position.x'),
    ],
)


def test_a_batch_comes_back_as_it_was():
    found = decode(encode(Delivery('robot_05/metrics/1', 17, BATCH)))
    assert (found.source, found.number) == ('robot_05/metrics/1', 17)
    assert list(found.batch.series) == list(BATCH.series)
    assert found.batch.times.tolist() == BATCH.times.tolist()
    assert found.batch.numbers.tolist() == [0, 1, 0]
    assert found.batch.values.tobytes() == BATCH.values.tobytes()
    assert found.batch.texts == BATCH.texts
    assert list(found.batch.facts) == list(BATCH.facts)


def test_an_empty_batch_is_a_batch():
    found = decode(encode(Delivery('s', 1, MetricBatch())))
    assert len(found.batch) == 0
    assert list(found.batch.facts) == []


def test_bytes_cut_off_anywhere_are_refused():
    data = encode(Delivery('s', 1, BATCH))
    for size in range(len(data)):
        with pytest.raises(RecordError, match='hold no batch'):
            decode(data[:size])


def test_another_version_is_told():
    data = encode(Delivery('s', 1, BATCH))
    with pytest.raises(RecordError, match='version 9, known is 1'):
        decode(b'\x09' + data[1:])


def test_a_fact_of_another_version_is_told():
    data = encode(Delivery('s', 1, MetricBatch(facts=[Alive('r', 'm', 1)])))
    with pytest.raises(RecordError, match=r'not a fact of this version.*Lives'):
        decode(data.replace(b'Alive', b'Lives'))


def test_a_sample_without_series_is_refused():
    batch = MetricBatch([], np.array([1]), np.array([0], np.uint32), np.array([1.0]))
    with pytest.raises(RecordError, match='no series'):
        decode(encode(Delivery('s', 1, batch)))


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        (b'["robot_05","mission_42","state"]', b'["robot_05","mission_42",123456]'),
        (b'"1":"DRIVING', b'"x":"DRIVING'),
        (b'"time_ns":3', b'"time_ns":{}'),
        (b'"topics":{"/scan":[10,2000]}', b'"topics":["/scan",[10,2000]]'),
    ],
)
def test_a_header_with_other_kinds_of_values_is_refused(before, after):
    data = encode(Delivery('s', 1, BATCH))
    assert before in data
    size = len(after) - len(before)
    version, length, rows = struct.unpack_from('<BII', data)
    changed = struct.pack('<BII', version, length + size, rows) + data[9:].replace(before, after)
    with pytest.raises(RecordError):
        decode(changed)
