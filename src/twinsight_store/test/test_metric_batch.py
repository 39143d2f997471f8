import json
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


def delivered(header, rows=1):
    """Return the bytes of some samples below a header, as a foreign program might write them."""
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    times, numbers, values = np.ones(rows, '<i8'), np.zeros(rows, '<u4'), np.ones(rows, '<f8')
    columns = times.tobytes() + numbers.tobytes() + values.tobytes()
    return struct.pack('<BII', 1, len(data), rows) + data + columns


HEADER = {'source': 's', 'number': 1, 'series': [['r', 'm', 'n']], 'texts': {}, 'facts': []}


def test_a_header_of_a_foreign_program_is_read_where_it_is_right():
    assert decode(delivered(HEADER | {'texts': {'0': 'Ω' * 10_000}})).batch.texts[0][:2] == 'ΩΩ'
    assert decode(delivered(HEADER | {'number': 2**63 - 1})).number == 2**63 - 1


@pytest.mark.parametrize('header', [
    json.dumps(HEADER).replace('"number": 1', '"number": Infinity').encode(),
    json.dumps(HEADER).replace('"number": 1', '"number": 1e999').encode(),
    json.dumps(HEADER).replace('"number": 1', f'"number": {"9" * 5000}').encode(),
    b'[' * 200_000,
    b'{"source":' * 200_000,
    b'[]', b'null', b'\xff\xfe',
    *(HEADER | {'number': number} for number in (2**63, -1, 1.5, True, '1', None)),
    *(
        HEADER | {'source': source}
        for source in ('a\0b', '\ud800', 'x' * 10_000, 7, None, ['s'])
    ),
    *(HEADER | {'texts': texts} for texts in (
        [], None, {'7': 'of no sample'}, {'1': 'x'}, {'-1': 'x'}, {'0': 7}, {'0': 'a\0b'},
        {'0': '\ud800'}, {'0': 'x' * 100_000},
    )),
    *(HEADER | {'series': series} for series in (
        None, [None], [['r\0', 'm', 'n']], [['r', '\udfff', 'n']], [['r', 'm', 'n' * 501]],
    )),
    HEADER | {'facts': None},
], ids=lambda header: str(header)[:80])
def test_a_header_that_no_sink_could_write_is_refused(header):
    with pytest.raises(RecordError, match='hold no batch') as error:
        decode(delivered(header))
    assert len(str(error.value)) < 400 and '\n' not in str(error.value)


def fact_of(name, **changed):
    fields = {
        'Alive': {'robot_id': 'r', 'mission_id': 'm', 'time_ns': 1},
        'MissionStarted': {'robot_id': 'r', 'mission_id': 'm', 'time_ns': 1, 'labels': {}},
        'MissionRecording': {'robot_id': 'r', 'mission_id': 'm', 'recorder': 'q', 'topics': {}},
        'Event': {
            'robot_id': 'r', 'mission_id': 'm', 'time_ns': 1, 'kind': 'k', 'severity': 'info',
            'message': 'x' * 10_000, 'data': {},
        },
    }
    assert not changed or changed.keys() <= fields[name].keys()
    return HEADER | {'facts': [[name, fields[name] | changed]]}


@pytest.mark.parametrize('header', [
    fact_of('Alive', robot_id='r\ud800'),
    fact_of('Alive', mission_id='m\0'),
    fact_of('Alive', robot_id='r' * 501),
    *(fact_of('Alive', time_ns=time_ns) for time_ns in (10**400, 2**63, 1.5, True)),
    fact_of('MissionStarted', labels={'site': 'a\0'}),
    fact_of('MissionStarted', labels={'site': 7}),
    fact_of('MissionStarted', labels=['site']),
    *(
        fact_of('MissionRecording', topics={'/scan': found})
        for found in ([1], [1, 2, 3], ['x', 1], [1, 10**30], [-1, 1], None)
    ),
    fact_of('MissionRecording', topics={'/scan\0': [1, 2]}),
    fact_of('Event', message='x' * 100_000),
    fact_of('Event', message='\0'),
    HEADER | {'facts': [[['Alive'], {}]]},
    HEADER | {'facts': [['Alive', None]]},
    HEADER | {'facts': [['Alive', 'robot_id']]},
], ids=lambda header: str(header['facts'])[:80])
def test_a_fact_that_no_sink_could_write_is_refused(header):
    for name in ('Alive', 'MissionStarted', 'MissionRecording', 'Event'):
        decode(delivered(fact_of(name)))
    with pytest.raises(RecordError, match='not a fact of this version') as error:
        decode(delivered(header))
    assert len(str(error.value)) < 400 and '\n' not in str(error.value)
