"""Replay sessions of a real bridge, over the api."""

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_foxglove import FoxgloveViewer
from pytest_ros import wait_until
from rclpy.serialization import serialize_message
from std_msgs.msg import String

from twinsight_bridge.web.replay_sessions import viewer_url
from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.connection import connect
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.writer import batches, StoreWriter

START_NS = 1_700_000_000_000_000_000  # 2023-11-14T22:13:20Z
PATH = '/replay/sessions'


@pytest.fixture
def recorded(store_settings):
    """Return the settings of a store with four seconds of /chatter of robot_05."""
    builder = RecordBuilder(
        'robot_05', Channel('/chatter', 'std_msgs/msg/String', 'ros2msg', b'string data\n'),
        label.record_labels('robot_05', 'dawn', 'text', {}), ChunkRules(),
    )
    records = []
    for number in range(40):
        at_ns = START_NS + number * 100_000_000
        data = serialize_message(String(data=str(number)))
        records += builder.add(at_ns, at_ns, number, data)
    records += builder.flush()

    async def write():
        async with connect(store_settings) as connection:
            writer = StoreWriter(await connection.bucket(create=True), store_settings)
            for batch in batches(records):
                await writer.write(batch)

    asyncio.run(write())
    return store_settings


def test_begin_look_control_and_end(start_api, ros, recorded):
    bridge = ros.start(
        'twinsight_bridge', 'bridge', '--ros-args', '-p', 'port:=0', '-p', 'address:=127.0.0.1',
        '-p', f"buckets:=['{recorded.bucket}']", TWINSIGHT_REDUCT_URL=recorded.url,
        TWINSIGHT_POSTGRES_URL='',
    )
    bridge.wait_for(' in Foxglove')
    port = int(re.search(r'open ws://\S+:(\d+)', bridge.text())[1])
    api = start_api(bridge_url=f'http://127.0.0.1:{port}', viewer_url='')
    body = {'robot': 'robot_05', 'topic': ['/chatter'], 'paused': True, 'session': 'evening'}
    answer = api.post(PATH, json=body)
    session = answer.json()
    assert (answer.status_code, session['state']) == (201, 'paused'), answer.text
    assert (session['start'], session['rate']) == ('2023-11-14T22:13:20.000000000Z', 1.0)
    links = session['links']
    assert links['ws_url'] == f'ws://127.0.0.1:{port}/replay?session=evening'
    for link, place in ((links['foxglove'], 'https://app.foxglove.dev/~/view'),
                        (links['foxglove_desktop'], 'foxglove://open')):
        assert link.partition('?')[0] == place
        assert parse_qs(urlsplit(link).query) == {
            'ds': ['foxglove-websocket'], 'ds.url': [links['ws_url']],
        }
    with FoxgloveViewer(links['ws_url']) as viewer:
        wait_until(lambda: '/chatter' in viewer.channels)
        viewer.subscribe('/chatter')
        order = {'command': 'play', 'seek': '2023-11-14T22:13:23Z', 'rate': 2}
        answer = api.post(f'{PATH}/evening/control', json=order)
        assert (answer.status_code, answer.json()['rate']) == (200, 2.0), answer.text
        wait_until(lambda: viewer.of('/chatter'))
        wait_until(lambda: api.get(f'{PATH}/evening').json()['state'] == 'finished')
        assert len(viewer.of('/chatter')) <= 11  # from the third second on
    assert [each['id'] for each in api.get(PATH).json()['sessions']] == ['evening']

    answer = api.post(PATH, json={'robot': 'nobody'})
    assert answer.status_code == 404 and 'nothing matches' in answer.json()['detail']
    answer = api.post(PATH, json={**body, 'topic': '/other'})
    assert answer.status_code == 409 and "session 'evening' plays" in answer.json()['detail']
    assert api.delete(f'{PATH}/evening').status_code == 204
    answer = api.get(f'{PATH}/evening')
    assert answer.status_code == 404 and 'it may have ended' in answer.json()['detail']
    for path, wrong, field in (
        (PATH, {'from': 'yesterday'}, 'from'), (PATH, {'rate': 1000}, 'rate'),
        (PATH, {'robots': 'a'}, 'robots'), (PATH, {'session': 'a/b'}, 'session'),
        (PATH, {'to': '2026-01-01', 'from': '2026-01-02'}, 'to'),
        (f'{PATH}/x/control', {'command': 'stop'}, 'command'),
        (f'{PATH}/x/control', {'seek': 'soon'}, 'seek'), (f'{PATH}/x/control', {}, 'command'),
    ):
        answer = api.post(path, json=wrong)
        assert (answer.status_code, answer.json()['detail'][0]['loc'][:2]) == (
            422, ['body', field]
        ), answer.text

    bridge.kill()
    for method, path, sent in (
        ('GET', PATH, None), ('POST', PATH, body), ('DELETE', f'{PATH}/evening', None),
    ):
        answer = api.request(method, path, json=sent)
        assert (answer.status_code, answer.headers['Retry-After']) == (503, '5')
        assert f'the bridge at http://127.0.0.1:{port} does not answer' in answer.json()['detail']


def test_what_is_no_bridge_is_said_so(start_api):
    other = start_api(robots={'r': ''})
    api = start_api(bridge_url=str(other.base_url).rstrip('/'))
    answer = api.get(PATH)
    assert answer.status_code == 502 and 'is no bridge with replay sessions' in answer.text


@pytest.mark.parametrize(('bridge', 'asked', 'viewers'), [
    ('http://127.0.0.1:8765', 'robots.example', 'ws://robots.example:8765'),
    ('http://localhost:8765', '192.168.1.5', 'ws://192.168.1.5:8765'),
    ('http://[::1]:8765', 'fe80::1', 'ws://[fe80::1]:8765'),
    ('https://bridge.example', 'robots.example', 'wss://bridge.example'),
])
def test_where_viewers_reach_the_bridge(bridge, asked, viewers):
    assert viewer_url(bridge, asked) == viewers
