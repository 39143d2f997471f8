"""A real recorder, watched and controlled over HTTP."""

import psycopg
from pytest_ros import wait_until
from std_msgs.msg import UInt32

from twinsight_bridge.commands import recorders

PATH = '/robots/robot_05/recorder'


def test_a_recorder_is_seen_and_does_what_is_asked(
    start_api, ros, store_settings, postgres_url, monkeypatch
):
    for limit in ('_WAIT_S', 'ONLINE_S'):  # what a busy machine keeps up
        monkeypatch.setattr(recorders, limit, 30.0)
    recorder = ros.start(
        'twinsight_recorder', 'recorder', '--ros-args', '-r', '__ns:=/robot_05', '-p',
        'robot_id:=robot_05', '-p', 'mission_id:=dawn', '-p',
        f'store.bucket:={store_settings.bucket}', TWINSIGHT_REDUCT_URL=store_settings.url,
    )
    node = ros.node('robot')
    numbers, others = (node.create_publisher(UInt32, f'/{each}', 10) for each in ('a', 'b'))
    robots = {'robot_05': '/robot_05'}
    api = start_api(postgres_url, recorder_control=True, robots=robots, commands={
        'start_mission': {
            'topic': '{namespace}/mission', 'type': 'twinsight_interfaces/msg/Mission',
            'fields': {'robot_id': '{robot_id}', 'mission_id': '{mission_id}', 'origin': 2,
                       'labels': '{labels | key_values}'},
            'wait': '20s',
        },
    })

    def seen():
        return {each['robot_id']: each for each in api.get('/recorders').json()['recorders']}

    def ask(action, status=200, **body):
        answer = api.post(f'{PATH}/{action}', json=body or None)
        assert answer.status_code == status, answer.text
        return answer.json()

    wait_until(lambda: seen().get('robot_05', {}).get('mode') == 'recording')
    found = seen()['robot_05']
    assert (found['node'], found['mission_id'], found['online']) == (
        '/robot_05/recorder', 'dawn', True
    )
    assert found['status']['spool_limit_bytes'] >= 0 and api.get(
        '/recorders', params={'robot': 'robot_06'}
    ).json() == {'recorders': []}

    assert ask('pause')['result']['message'] == 'paused: what arrives is left out'
    wait_until(lambda: seen()['robot_05']['mode'] == 'paused')
    wait_until(lambda: api.events()['written'] == 2)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute(
            'SELECT robot_id, mission_id, kind, message FROM event ORDER BY time'
        ).fetchall() == [
            ('robot_05', 'dawn', 'command', 'recorder.pause asked by 127.0.0.1'),
            ('robot_05', 'dawn', 'command', 'recorder.pause succeeded'),
        ]
    assert ask('resume')['state'] == 'succeeded'
    assert ask('split')['result']['message'] == 'part 1 of mission dawn'
    assert ask('set-mission', mission_id='noon')['result']['mission_id'] == 'noon'
    wait_until(lambda: numbers.get_subscription_count() and others.get_subscription_count())
    assert '/b' not in ask('drop-topics', topics=['/b'])['result']['topics']
    assert '/b' in ask('add-topics', topics=['/b'])['result']['topics']
    refused = ask('snapshot', 409, before_s=1)
    assert 'snapshot' in refused['detail'] and refused['command']['state'] == 'refused'
    for action, body, place in (
        ('add-topics', {'topics': ['(']}, ['body', 'topics', 0]), ('add-topics', {}, ['body']),
        ('snapshot', {'before_s': -1}, ['body', 'before_s']), ('erase', {}, ['path', 'action']),
        ('start', {'mission': 'm'}, ['body', 'mission']),
    ):
        assert ask(action, 422, **body)['detail'][0]['loc'] == place

    answer = api.post('/robots/robot_05/commands/start_mission', json={'mission_id': 'dusk'})
    assert answer.json()['state'] == 'succeeded', answer.text
    wait_until(lambda: seen()['robot_05']['mission_id'] == 'dusk')
    assert ask('stop')['result']['success']
    wait_until(lambda: seen()['robot_05']['mode'] == 'stopped')
    assert ask('start', mission_id='night')['result']['mission_id'] == 'night'
    recorder.kill()
    answer = api.post(f'{PATH}/pause', params={'node': '/robot_05/other'})
    assert answer.status_code == 404
    assert 'there is /robot_05/recorder of robot_05' in answer.json()['detail']
