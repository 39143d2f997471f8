"""GET /metrics, /metrics/grid and /metrics/names."""

import io

import pyarrow as pa
import pytest

BATTERY = {'robot': 'robot_01', 'name': 'battery.percentage'}


def test_samples_come_as_json(api):
    found = api.json('/metrics', robot='robot_01', name=['battery.*', 'state'])
    assert len(found) == 32
    assert found[0] == {
        'time': '2026-11-20T08:00:00.000000Z', 'robot_id': 'robot_01', 'mission_id': 'dawn',
        'name': 'battery.percentage', 'value': 90, 'text': None,
    }
    assert found[1]['text'] == 'idle' and found[1]['value'] is None


def test_samples_come_as_csv(api):
    answer = api.get('/metrics', params={**BATTERY, 'format': 'csv'})
    assert answer.headers['content-type'] == 'text/csv; charset=utf-8'
    assert answer.headers['content-disposition'] == 'attachment; filename="metrics.csv"'
    lines = answer.text.splitlines()
    assert lines[0] == '"time","robot_id","mission_id","name","value","text"'
    assert lines[2] == (
        '"2026-11-20T08:00:00.100000Z","robot_01","dawn","battery.percentage",89.9,'
    )
    assert len(lines) == 31


def test_samples_come_as_arrow(api, site):
    answer = api.get('/metrics', params={**BATTERY, 'format': 'arrow'})
    assert answer.headers['content-type'] == 'application/vnd.apache.arrow.stream'
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.num_rows == 30
    assert table['time'].cast(pa.int64())[1].as_py() == (site.t0 + 100_000_000) // 1000
    assert table['value'][1].as_py() == pytest.approx(89.9)


def test_samples_are_aggregated(api):
    found = api.json('/metrics', **BATTERY, every='1s')
    assert [each['count'] for each in found] == [10, 10, 10]
    assert found[0]['maximum'] == 90 and found[0]['minimum'] == pytest.approx(89.1)
    (minute,) = api.json('/metrics', **BATTERY, every='1m')
    assert minute['count'] == 30
    assert len(api.json('/metrics', **BATTERY, every='auto', max_points=3)) == 3


def test_metrics_side_by_side_on_a_grid(api):
    found = api.json(
        '/metrics/grid', robot='robot_01', name=['state', 'battery.percentage'], every='500ms',
        tolerance='1s',
    )
    assert [each['time'] for each in found[:2]] == [
        '2026-11-20T08:00:00.000000000Z', '2026-11-20T08:00:00.500000000Z',
    ]
    assert [each['state'] for each in found] == [
        'idle', 'idle', 'driving', 'driving', 'driving', None,
    ]
    assert found[1]['battery.percentage'] == 89.5


def test_metrics_are_selected_by_topic_label_and_time(api):
    assert len(api.json('/metrics', topic='/bat*', to='2026-11-20T08:00:01Z')) == 10
    (found,) = api.json('/metrics', label='site=south')
    assert found['robot_id'] == 'robot_02'


def test_metrics_that_are_not_there_are_told_with_those_that_are(api):
    told = api.detail('/metrics', 404, robot='robot_01', name='battery.percent')
    assert 'metrics battery.percentage' in told
    assert api.json('/metrics/names', name='nope')['metrics'] == []


def test_names_have_unit_origin_and_span(api):
    first, second = api.json('/metrics/names', robot='robot_01')['metrics']
    assert first == {
        'robot_id': 'robot_01', 'name': 'battery.percentage', 'unit': '%', 'topic': '/battery',
        'field': 'percentage', 'first': '2026-11-20T08:00:00.000000000Z',
        'last': '2026-11-20T08:00:02.900000000Z',
    }
    assert (second['name'], second['unit']) == ('state', '')
    assert len(api.json('/metrics/names', name='battery.*')['metrics']) == 2


def test_a_database_without_history_is_an_empty_one(free_postgres, make_site, serve):
    with serve(make_site(None, free_postgres)) as api:
        assert 'nothing was recorded there yet' in api.json('/missions')['note']
        assert 'nothing was recorded there yet' in api.detail('/metrics', 404)
        assert api.json('/robots') == {'robots': [], 'problems': []}


@pytest.mark.parametrize('form', ['json', 'csv', 'arrow'])
def test_a_long_answer_is_whole_and_comes_in_pieces(long_history, serve, form):
    with serve(long_history.site) as api:
        pieces = []
        with api.stream('GET', '/metrics', params={'format': form}) as answer:
            pieces += answer.iter_bytes()
    data = b''.join(pieces)
    assert len(pieces) > 3
    if form == 'json':
        rows = data.count(b'"time"')
    elif form == 'csv':
        rows = data.count(b'\n') - 1
    else:
        rows = pa.ipc.open_stream(io.BytesIO(data)).read_all().num_rows
    assert rows == long_history.rows
