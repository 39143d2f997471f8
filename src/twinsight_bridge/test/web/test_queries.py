"""What a query may ask, and what it is told where it may not."""

import io
import re

from mcap.reader import make_reader
import pytest


@pytest.mark.parametrize(('path', 'query', 'field', 'said'), [
    ('/records', {'from': 'yesterday'}, 'from', 'ISO 8601'),
    ('/records', {'from': '-5m', 'to': '-15m'}, 'to', 'the end must be later than the start'),
    ('/records', {'label': 'site'}, 'label', "label 'site': accepted is NAME=VALUE"),
    ('/topics', {'robot': ''}, 'robot', 'robot is empty'),
    ('/topics', {'topic': '/a\0'}, 'topic', 'UTF-8 without NUL'),
    ('/missions', {'to': '25:99'}, 'to', 'HH:MM'),
    ('/missions', {'topic': '/scan'}, 'topic', 'accepted are cursor, from, label'),
    ('/missions', {'robots': 'r'}, 'robots', 'did you mean robot?'),
    ('/missions', {'cursor': 'x'}, 'cursor', 'accepted is what `next` of a page has'),
    ('/events', {'limit': '0'}, 'limit', 'greater than or equal to 1'),
    ('/events', {'order': 'up'}, 'order', "'asc' or 'desc'"),
    ('/coverage', {'resolution': 'fine'}, 'resolution', 'seconds, or a number with ms'),
    ('/metrics', {'every': '2s'}, 'every', "'raw', '1s'"),
    ('/metrics', {'name': ''}, 'name', 'name is empty'),
    ('/metrics', {'topic': '/[b-a]'}, 'topic', 'bad character range'),
    ('/metrics/grid', {'every': '0'}, 'every', 'more than 0'),
    ('/metrics/grid', {}, 'every', 'required'),
    ('/records/content', {'robot': 'a b', 'topic': '/scan'}, 'robot', 'accepted are letters'),
    ('/records/content', {'robot': 'r', 'topic': '/s', 'at': 'x'}, 'at', 'ISO 8601'),
    ('/records/content', {'robot': 'r', 'topic': '/s', 'at': '9999-01-01'}, 'at', '1678 to 2261'),
    ('/records/content', {'robot': 'r', 'topic': '/s', 'at': '-1s', 'receive_ns': '1'}, 'at',
     'one of receive_ns and at'),
])
def test_a_bad_parameter_is_named_with_what_is_accepted(api, path, query, field, said):
    found = api.detail(path, 422, **query)
    assert list(found) == [field]
    assert said in found[field]


def test_all_that_is_wrong_is_told_at_once(api):
    assert set(api.detail('/records', 422, from_='x', to='y', label='z')) == {
        'from', 'to', 'label',
    }


@pytest.mark.parametrize('time', [
    '2026-11-20T09:00:02+01:00', '2026-11-20T08:00:02Z', '1795161602', '1795161602.000000000',
])
def test_a_time_is_taken_in_every_form_also_with_the_plus_of_a_zone(api, time):
    # A + that is not encoded, as in a URL that was typed.
    found = api.get(f'/records?robot=robot_01&topic=/odom&limit=1&from={time}').json()
    assert found['records'][0]['time'] == '2026-11-20T08:00:02.000000000Z'


def test_documentation_names_every_path_and_its_parameters(api):
    page = api.get('/docs').text
    assert 'swagger' in page
    needed = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(needed) >= 2 and not any('//' in each for each in needed)  # it works offline
    assert all(api.get(each).status_code == 200 for each in needed)
    paths = api.json('/openapi.json')['paths']
    assert {'/robots', '/missions', '/topics', '/records', '/records/content', '/metrics',
            '/events', '/coverage', '/schema', '/health', '/mcap'} <= set(paths)
    parameters = {each['name']: each for each in paths['/records']['get']['parameters']}
    assert {'robot', 'mission', 'sensor', 'topic', 'from', 'to', 'label'} <= set(parameters)
    assert all(each['description'] for each in parameters.values())


def test_an_unknown_path_and_another_method_are_told_in_a_sentence(api):
    assert api.detail('/nothing', 404) == 'there is nothing at /nothing: GET /docs shows what ' \
        'there is'
    answer = api.post('/missions')
    assert answer.status_code == 405
    assert answer.json()['detail'].startswith('/missions does not take POST')


def test_pages_of_all_origins_may_read_and_see_the_headers(api):
    answer = api.get('/health', headers={'Origin': 'https://app.foxglove.dev'})
    assert answer.headers['access-control-allow-origin'] == '*'
    exposed = answer.headers['access-control-expose-headers']
    for name in ('Accept-Ranges', 'Content-Range', 'Content-Length', 'ETag', 'X-Receive-Ns'):
        assert name in exposed
    assert answer.headers['x-content-type-options'] == 'nosniff'
    preflight = api.options('/mcap', headers={
        'Origin': 'https://app.foxglove.dev', 'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'range',
    })
    assert preflight.status_code == 200
    assert 'range' in preflight.headers['access-control-allow-headers']


def test_only_pages_of_the_given_origins_may_read(site, serve):
    with serve(site, origins=('https://a.example',)) as api:
        allowed = 'access-control-allow-origin'
        answer = api.get('/health', headers={'Origin': 'https://a.example'})
        assert answer.headers[allowed] == 'https://a.example'
        assert allowed not in api.get('/health', headers={'Origin': 'https://b.example'}).headers


def test_a_body_that_is_too_big_is_refused(api):
    answer = api.request('GET', '/health', content=b'x' * 1_000_001)
    assert answer.status_code == 413
    assert answer.json()['detail'] == 'the body is too big: accepted are 1000000 bytes'


def test_a_selection_is_served_as_a_file_too(api):
    answer = api.get('/mcap', params={'robot': 'robot_02', 'topic': '/scan'})
    assert answer.headers['accept-ranges'] == 'bytes'
    messages = list(make_reader(io.BytesIO(answer.content)).iter_messages())
    assert len(messages) == 20
    assert api.detail('/mcap', 422, robots='robot_02')['robots'].endswith('did you mean robot?')
