"""GET /records and /records/content."""

import base64
import io

import numpy as np
from PIL import Image
import pytest

SCAN = {'robot': 'robot_01', 'topic': '/scan'}
CAMERA = {'robot': 'robot_01', 'topic': '/camera/image'}


def all_records(api, path):
    found, pages = [], 0
    while path:
        page = api.json(path)
        found += page['records']
        path, pages = page['next'], pages + 1
    return found, pages


def test_records_have_exact_times_and_where_their_content_is(api, site):
    first, second = api.json('/records', **SCAN, limit=2)['records']
    assert second['receive_ns'] == str(site.t0 + 50_000_000)
    assert second['time'] == '2026-11-20T08:00:00.050000000Z'
    assert second['publish_time'] == '2026-11-20T08:00:00.049999000Z'
    assert second['stamp_time'] == '2026-11-20T08:00:00.000000001Z'
    assert (second['sequence'], second['mission_id'], second['sensor_type']) == (
        1, 'dawn', 'lidar'
    )
    assert second['labels'] == {'site': 'north'}
    assert second['content'] == (
        f'/records/content?robot=robot_01&topic=/scan&receive_ns={site.t0 + 50_000_000}'
    )


@pytest.mark.parametrize('limit', [1, 7, 45, 1000])
def test_pages_give_each_message_once_in_time_order(api, limit):
    found, pages = all_records(api, f'/records?mission=dawn&robot=robot_01&limit={limit}')
    assert len(found) == 60 + 30 + 15
    assert pages == -(-105 // limit)
    assert [int(each['receive_ns']) for each in found] == sorted(
        int(each['receive_ns']) for each in found
    )
    assert len({each['content'] for each in found}) == 105


def test_relative_times_stay_what_they_were_on_the_next_page(api):
    page = api.json('/records', robot='robot_01', from_='2026-11-20T08:00:01+00:00', limit=1)
    assert 'from=1795161601.000000000' in page['next']


def test_messages_of_one_time_are_told_apart(free_site, serve):
    site = free_site()
    for mission in ('a', 'b'):
        site.record('r', mission, '/scan', [(0, site.scan(each)) for each in range(3)])
    with serve(site) as api:
        found, _ = all_records(api, '/records?robot=r&limit=2')
        assert len({each['content'] for each in found}) == 6
        numbers = [
            api.json(each['content'])['message']['header']['stamp']['nanosec'] for each in found
        ]
        assert sorted(numbers) == [0, 0, 1, 1, 2, 2]
        latest = api.get('/records/content', params={'robot': 'r', 'topic': '/scan'})
        again = api.get(latest.headers['content-location'])
        assert latest.json() == again.json()


def test_where_nothing_is_found_the_answer_says_what_there_is(api):
    found = api.json('/records', robot='robot_01', topic='/image')
    assert found['records'] == [] and 'topics /camera/image, /odom' in found['note']


def test_content_as_cdr_is_what_was_recorded(api, site):
    query = {**SCAN, 'receive_ns': site.t0 + 50_000_000}
    answer = api.get('/records/content', params={**query, 'format': 'cdr'})
    assert answer.headers['content-type'] == 'application/cdr'
    assert answer.content == site.cdr(site.scan(1))
    assert {name: answer.headers[name] for name in (
        'x-type-name', 'x-receive-ns', 'x-publish-ns', 'x-stamp-ns', 'x-sequence', 'x-topic',
    )} == {
        'x-type-name': 'sensor_msgs/msg/LaserScan', 'x-receive-ns': str(site.t0 + 50_000_000),
        'x-publish-ns': str(site.t0 + 49_999_000), 'x-stamp-ns': str(site.t0 + 1),
        'x-sequence': '1', 'x-topic': '/scan',
    }
    assert 'immutable' in answer.headers['cache-control']
    assert api.get(
        '/records/content', params=query, headers={'Accept': 'application/cdr'}
    ).content == answer.content


def test_content_as_json_has_all_fields_and_no_nan(api, site):
    found = api.json('/records/content', **SCAN, receive_ns=site.t0 + 50_000_000)
    message = found['message']
    assert message['header'] == {
        'stamp': {'sec': 1_795_161_600, 'nanosec': 1}, 'frame_id': 'base',
    }
    assert message['ranges'] == [1, 'Infinity', 'NaN', 1, 1, 1, 1, 1]
    assert message['intensities'] == []
    assert found['receive_ns'] == str(site.t0 + 50_000_000)


def test_long_arrays_in_json_are_base64(api, site):
    short = api.json('/records/content', **CAMERA, receive_ns=site.t0)['message']['data']
    assert short == [0] * 144
    long = api.json('/records/content', **CAMERA, receive_ns=site.t0, arrays=100)
    data = long['message']['data']
    assert (data['type'], data['length']) == ('uint8', 144)
    assert base64.b64decode(data['base64']) == bytes(144)
    scan = api.json('/records/content', **SCAN, receive_ns=site.t0, arrays=7)['message']
    assert np.frombuffer(base64.b64decode(scan['ranges']['base64']), '<f4')[0] == 0


@pytest.mark.parametrize(('at', 'number'), [
    ('2026-11-20T08:00:01Z', 5), ('2026-11-20T08:00:01.199999999Z', 5),
    ('2026-11-20T08:00:01.195Z', 5),
    ('2026-11-20T08:00:01.2Z', 6), ('2026-11-20T08:05:00Z', 14), ('2027-11-20', 14), (None, 14),
])
def test_the_latest_at_a_time_is_found_however_long_ago(api, at, number):
    query = {**CAMERA, **({'at': at} if at else {})}
    found = api.json('/records/content', **query)
    assert found['sequence'] == number


def test_the_latest_message_of_a_chunk_that_is_cut_by_the_time(api):
    found = api.json('/records/content', **SCAN, at='2026-11-20T08:00:01.449Z')
    assert found['sequence'] == 28


def test_the_latest_is_not_one_that_came_a_moment_later(free_site, serve):
    site = free_site()
    site.record('r', 'm', '/scan', [(0, site.scan(0)), (10_000_000_000, site.scan(1))],
                single_record_bytes=1)
    with serve(site) as api:
        at = '2026-11-20T08:00:09.995Z'
        found = api.json('/records/content', robot='r', topic='/scan', at=at)
    assert found['sequence'] == 0


def test_before_the_first_message_there_is_none(api):
    assert 'there is robot_01' in api.detail(
        '/records/content', 404, **CAMERA, at='2026-11-20T07:59:59Z'
    )
    assert 'topics /camera/image' in api.detail(
        '/records/content', 404, robot='robot_01', topic='/nope'
    )


def test_an_image_is_a_jpeg_for_browsers(api, site):
    answer = api.get(
        '/records/content', params={**CAMERA, 'receive_ns': site.t0 + 2_000_000_000},
        headers={'Accept': 'image/avif,image/webp,image/*,*/*;q=0.8'},
    )
    assert answer.headers['content-type'] == 'image/jpeg'
    image = Image.open(io.BytesIO(answer.content))
    assert image.size == (8, 6)
    red, green, blue = image.getpixel((4, 3))
    assert abs(red - 100) < 6 and green < 6 and blue < 6
    small = api.get('/records/content', params={**CAMERA, 'format': 'jpeg', 'width': 4})
    assert Image.open(io.BytesIO(small.content)).size == (4, 3)


def test_what_is_no_image_is_not_shown_as_one(api):
    assert api.detail('/records/content', 406, **SCAN, format='jpeg').startswith(
        '/scan is sensor_msgs/msg/LaserScan: images are of'
    )
    answer = api.get('/records/content', params=SCAN, headers={'Accept': 'image/jpeg'})
    assert answer.status_code == 406
    assert 'Accept may have application/json, application/cdr' in answer.json()['detail']


def test_a_record_that_cannot_be_read_is_reported_beside_the_others(free_site, serve):
    site = free_site()
    site.record('r', 'm', '/scan', [(0, site.scan(0)), (1_000_000_000, site.scan(1))],
                max_age_ns=1)
    site.spoil('r/scan', 0)
    with serve(site) as api:
        found = api.json('/records', robot='r')
        assert [each['sequence'] for each in found['records']] == [1]
        (problem,) = found['problems']
        assert problem.startswith('r/scan: the chunk at')
        query = {'robot': 'r', 'topic': '/scan', 'at': '2026-11-20T08:00Z'}
        assert api.detail('/records/content', 502, **query) == problem
