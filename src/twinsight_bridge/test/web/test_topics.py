"""GET /topics, /schema and /coverage."""

import pytest


def test_topics_have_type_sensor_and_size(api):
    found = api.json('/topics', robot='robot_01')['topics']
    assert [(each['topic'], each['type_name'], each['sensor_type']) for each in found] == [
        ('/camera/image', 'sensor_msgs/msg/Image', 'camera'),
        ('/odom', 'nav_msgs/msg/Odometry', 'odometry'),
        ('/scan', 'sensor_msgs/msg/LaserScan', 'lidar'),
    ]
    camera = found[0]
    assert camera['stored']['records'] == 15 and camera['stored']['size_bytes'] > 15 * 144
    assert camera['stored']['first'] == '2026-11-20T08:00:00.000000000Z'
    assert camera['stored']['last'] == '2026-11-20T08:00:02.800000000Z'
    assert camera['selected'] is None


@pytest.mark.parametrize(('query', 'wanted'), [
    ({'sensor': 'camera'}, [('robot_01', '/camera/image')]),
    ({'topic': '/s*'}, [('robot_01', '/scan'), ('robot_02', '/scan')]),
    ({'mission': 'noon'}, [('robot_01', '/scan')]),
    ({'label': 'site=north'}, [('robot_01', '/scan')]),
    ({'from_': '2026-11-20T08:05:00Z'}, [('robot_01', '/scan')]),
    # The chunks that hold these began before.
    ({'from_': '2026-11-20T08:00:02.940Z', 'to': '2026-11-20T08:00:05Z'}, [('robot_01', '/scan')]),
    ({'to': '2026-11-20T08:00:00Z'}, []),
])
def test_topics_are_those_that_have_records_in_the_selection(api, query, wanted):
    found = api.json('/topics', **query)
    assert [(each['robot_id'], each['topic']) for each in found['topics']] == wanted
    assert wanted or 'there is robot_01 (missions dawn, noon' in found['note']


def test_what_is_selected_is_counted_on_demand(api):
    found = api.json('/topics', mission='dawn', topic='/scan', count='true')['topics']
    assert [each['selected']['messages'] for each in found] == [60, 20]
    assert found[0]['selected']['last'] == '2026-11-20T08:00:02.950000000Z'
    assert found[0]['selected']['size_bytes'] < found[0]['stored']['size_bytes']


def test_the_schema_of_a_topic_is_text_that_decodes_its_messages(api):
    answer = api.get('/schema', params={'robot': 'robot_01', 'topic': '/scan'})
    assert answer.headers['content-type'] == 'text/plain; charset=utf-8'
    assert answer.headers['x-type-name'] == 'sensor_msgs/msg/LaserScan'
    assert answer.headers['x-schema-encoding'] == 'ros2msg'
    assert 'float32[] ranges' in answer.text and 'MSG: std_msgs/Header' in answer.text
    own = {'robot': 'robot_01', 'topic': 'scan', 'channel': answer.headers['x-channel']}
    assert api.get('/schema', params=own).text == answer.text


def test_a_schema_that_is_not_there_is_told_with_what_is(api):
    assert 'topics /camera/image, /odom, /scan' in api.detail(
        '/schema', 404, robot='robot_01', topic='/scam'
    )
    assert 'there is robot_01' in api.detail('/schema', 404, robot='robot_9', topic='/scan')
    assert "no channel 'abc': there are" in api.detail(
        '/schema', 404, robot='robot_01', topic='/scan', channel='abc'
    )


def test_coverage_tells_gaps_and_missions(api):
    found = api.json('/coverage', robot='robot_01', resolution='1s')
    assert found['resolution_s'] == 1
    (robot,) = found['robots']
    scan = {each['topic']: each['spans'] for each in robot['topics']}['/scan']
    assert [each['mission_id'] for each in scan] == ['dawn', 'noon']
    assert scan[0]['first'] == '2026-11-20T08:00:00.000000000Z'
    assert '2026-11-20T08:00:02.9' < scan[0]['last'] <= '2026-11-20T08:00:04'
    assert scan[1]['first'] == '2026-11-20T08:10:00.000000000Z'
    assert [each['mission_id'] for each in robot['spans']] == ['dawn', 'noon']


def test_coverage_knows_until_when_a_record_of_many_messages_reaches(free_site, serve):
    site = free_site()
    times = [*range(0, 30_000, 300), *range(40_000, 60_000, 300)]  # ms
    site.record('r', 'm', '/scan', [(each * 1_000_000, site.scan(0)) for each in times])
    with serve(site) as api:
        (robot,) = api.json('/coverage', resolution='1s')['robots']
        (short,) = api.json('/coverage', resolution='1s', to='2026-11-20T08:00:00.500Z')['robots']
    assert [each['first'][14:21] for each in robot['spans']] == ['00:00.0', '00:40.0']
    ends = [float(each['last'][17:21]) for each in robot['spans']]
    assert 29.6 < ends[0] < 30.8 and 59.7 < ends[1] < 60  # late by less than the resolution
    assert short['spans'][0]['last'] == '2026-11-20T08:00:00.500000000Z'


def test_coverage_is_not_cut_by_a_record_inside_another(free_site, serve):
    site = free_site()
    inside = [(5_000_000_000, site.scan(1))]
    around = [(each * 1_000_000_000, site.scan(0)) for each in range(0, 31, 10)]
    site.record('r', 'm', '/scan', around, max_age_ns=60_000_000_000)
    site.record('r', 'm', '/scan', inside, single_record_bytes=1)
    with serve(site) as api:
        (robot,) = api.json('/coverage', resolution='1s')['robots']
    assert [each['last'][14:19] for each in robot['spans']] == ['00:30']


def test_coverage_of_a_mission_is_not_thinned_by_other_missions(free_site, serve):
    site = free_site()
    scan = site.scan
    for number, mission in enumerate(('a', 'b')):
        # Each second one of them, so that samples of both would always meet the same.
        times = range(number, 60, 2)
        site.record('r', mission, '/scan', [
            (each * 1_000_000_000, scan(each)) for each in times
        ], single_record_bytes=1)
    with serve(site) as api:
        (robot,) = api.json('/coverage', mission='b', resolution='2s')['robots']
    (span,) = robot['spans']
    assert span['first'] == '2026-11-20T08:00:01.000000000Z'
    assert span['last'] >= '2026-11-20T08:00:59'


def test_a_resolution_that_is_too_fine_says_what_is_accepted(free_site, serve):
    site = free_site()
    day_ns = 86_400_000_000_000
    site.record('r', 'm', '/scan', [(0, site.scan(0)), (day_ns, site.scan(1))])
    with serve(site) as api:
        found = api.detail('/coverage', 422, resolution='1s')
        assert found['resolution'].startswith('resolution 1 s: accepted is 9 s or more')
        (robot,) = api.json('/coverage')['robots']
    assert len(robot['spans']) == 2


def test_where_nothing_was_recorded_yet_lists_are_empty(free_site, serve):
    with serve(free_site()) as api:
        for path, name in (('/topics', 'topics'), ('/records', 'records')):
            found = api.json(path)
            assert found[name] == [] and 'nothing was recorded there yet' in found['note']
        assert api.json('/coverage')['robots'] == []
        for path in ('/schema', '/records/content'):
            told = api.detail(path, 404, robot='r', topic='/scan')
            assert 'nothing was recorded there yet' in told
