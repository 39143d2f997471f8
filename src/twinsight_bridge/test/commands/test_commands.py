"""Commands over HTTP and real DDS: topics, services, actions, and their record."""

from concurrent.futures import ThreadPoolExecutor
import math
import time

from diagnostic_msgs.msg import KeyValue
from geometry_msgs.msg import PoseStamped
import pytest
from pytest_ros import wait_until
from std_srvs.srv import SetBool

from twinsight_interfaces.srv import StartMission

ROBOTS = {'robot_05': '/robot_05', 'fleet_*': '/{robot_id}'}
GO_TO_POSE = {
    'topic': '{namespace}/goal_pose', 'type': 'geometry_msgs/msg/PoseStamped',
    'fields': {
        'header.frame_id': '{frame_id}', 'header.stamp': '{now}',
        'pose.position': {'x': '{x}', 'y': '{y}'}, 'pose.orientation': '{yaw | quaternion}',
    },
    'parameters': {'x': {'type': 'number', 'most': 50}}, 'wait': '20s',
}
LIGHTS = {
    'service': '{namespace}/lights', 'type': 'std_srvs/srv/SetBool', 'fields': {'data': '{lit}'},
    'parameters': {'lit': {'type': 'boolean'}}, 'wait': '20s',
}
HASTY = {**LIGHTS, 'wait': '0.3s', 'timeout': '0.4s'}
PATH = '/robots/robot_05/commands'


def test_a_message_reaches_the_topic_and_the_record(start_api, node, postgres_url):
    poses = []
    node.create_subscription(PoseStamped, 'goal_pose', poses.append, 10)
    api = start_api(postgres_url, robots=ROBOTS, commands={'go_to_pose': GO_TO_POSE})
    answer = api.post(f'{PATH}/go_to_pose', json={'x': 1, 'y': -2.5, 'yaw': math.pi / 2},
                      headers={'X-Operator': 'anna'})
    told = answer.json()
    assert (answer.status_code, told['state']) == (200, 'succeeded'), told
    assert answer.headers['Location'] == f'{PATH}/{told["id"]}'
    wait_until(lambda: poses)
    pose = poses[0]
    assert (pose.header.frame_id, pose.pose.position.x, pose.pose.position.y) == ('map', 1, -2.5)
    assert pose.pose.orientation.z == pytest.approx(math.sqrt(0.5))
    assert abs(pose.header.stamp.sec - time.time()) < 60
    wait_until(lambda: api.events()['written'] == 2)
    asked, ended = api.stored(postgres_url)
    assert asked[:3] == ('command', 'info', 'go_to_pose asked by anna')
    assert asked[3]['by'] == {'operator': 'anna', 'address': '127.0.0.1', 'authenticated': False}
    assert asked[3]['body'] == {'x': 1.0, 'y': -2.5, 'yaw': math.pi / 2, 'frame_id': 'map'}
    assert ended[:3] == ('command', 'info', 'go_to_pose succeeded')
    assert ended[3]['command'] == asked[3]['command'] == told['id']
    assert ended[3]['to']['name'] == '/robot_05/goal_pose'


def test_what_is_asked_wrongly_is_named_and_recorded(start_api, node, postgres_url):
    api = start_api(postgres_url, robots=ROBOTS, commands={
        'go_to_pose': GO_TO_POSE, 'lights': LIGHTS,
        'dock': {'action': '{namespace}/dock', 'type': 'dock_msgs/action/Dock'},
    })
    refusals = [
        ('go_to_pose', {'x': 'far', 'y': 0}, 422, {'x': 'Input should be a valid number'}),
        ('go_to_pose', {'x': 51, 'y': 0}, 422, {'x': 'Input should be less than or equal to 50'}),
        ('go_to_pose', {'y': 0, 'yow': 1}, 422, {
            'x': 'Field required',
            'yow': 'unknown: accepted are x, y, yaw, frame_id; did you mean yaw?',
        }),
        ('lights', {'lit': 1}, 422, {'lit': 'Input should be a valid boolean'}),
        ('stop', {}, 501, 'stop is not mapped: say in commands of the configuration to which'),
        ('dock', {}, 501, 'dock cannot be sent from here: type dock_msgs/action/Dock: not inst'),
        ('go_to_pose', {'x': 10**400, 'y': 0}, 422, {'x': 'Input should be a valid number'}),
        ('go_to_pose', {'x': 0, 'y': 0, 'frame_id': 'a' * 30_000}, 422, {}),
        ('ligths', {}, 404, "no command 'ligths'; accepted here: start_mission, end_mission, go"),
    ]
    for name, body, status, told in refusals:
        answer = api.post(f'{PATH}/{name}', json=body)
        detail = answer.json()['detail']
        assert answer.status_code == status, answer.text
        if status == 422:
            assert {each['loc'][1]: each['msg'] for each in detail if each['loc'][1:]} == told
        else:
            assert detail.startswith(told)
    answer = api.post(f'{PATH}/go_to_pose', content='{"x": NaN, "y": 0}',
                      headers={'Content-Type': 'application/json'})
    assert (answer.status_code, answer.json()['detail'][0]['loc']) == (422, ['body', 'x'])
    answer = api.post('/robots/robot_6/commands/stop')
    assert answer.status_code == 404
    assert 'robots of the configuration has robot_05, fleet_*' in answer.json()['detail']
    wait_until(lambda: api.events()['written'] == len(refusals) + 1)
    found = api.stored(postgres_url)
    assert {each[1] for each in found} == {'warn'}
    assert [each[3]['state'] for each in found] == ['refused'] * (len(refusals) + 1)
    assert 'less than or equal to 50' in found[1][2]

    known = {each['name']: each for each in api.get(PATH).json()['commands']}
    assert not known['stop']['available'] and known['stop']['to'] is None
    assert 'install package dock_msgs' in known['dock']['problem']
    assert known['go_to_pose']['available']
    assert known['go_to_pose']['to']['name'] == '/robot_05/goal_pose'
    fields = known['go_to_pose']['fields']
    assert [each['name'] for each in fields] == ['x', 'y', 'yaw', 'frame_id']
    assert (fields[0]['type'], fields[0]['required'], fields[0]['most']) == ('number', True, 50)
    assert (fields[3]['required'], fields[3]['default']) == (False, 'map')


def test_a_service_answers_refuses_is_silent_or_away(start_api, node, ros):
    api = start_api(robots=ROBOTS, commands={'lights': LIGHTS, 'hasty': HASTY, 'start_mission': {
        'service': '{namespace}/start_mission',
        'type': 'twinsight_interfaces/srv/StartMission',
        'fields': {'mission_id': '{mission_id}', 'labels': '{labels | key_values}'}, 'wait': '20s',
    }})
    answer = api.post(f'{PATH}/hasty', json={'lit': True})
    assert (answer.status_code, answer.headers['Retry-After']) == (503, '5')
    assert 'nobody serves /robot_05/lights (std_srvs/srv/SetBool): waited 0.3 s' in answer.text
    assert answer.json()['command']['state'] == 'failed'

    def switch(request, response):
        response.success, response.message = request.data, 'battery is low'
        return response

    def begin(request, response):
        response.success = True
        response.mission_id = f'{request.mission_id} {request.labels}'
        return response

    service = node.create_service(SetBool, 'lights', switch)
    node.create_service(StartMission, 'start_mission', begin)
    answer = api.post(f'{PATH}/lights', json={'lit': True})
    assert answer.status_code == 200
    assert answer.json()['result'] == {'success': True, 'message': 'battery is low'}
    answer = api.post(f'{PATH}/lights', json={'lit': False})
    assert (answer.status_code, answer.json()['command']['state']) == (409, 'refused')
    assert answer.json()['detail'] == '/robot_05/lights: battery is low'
    answer = api.post(f'{PATH}/start_mission', json={'mission_id': 'm', 'labels': {'site': 'n'}})
    assert answer.json()['result']['mission_id'] == f'm {[KeyValue(key="site", value="n")]}'

    def hasty():
        return api.post(f'{PATH}/hasty', json={'lit': True}).status_code

    node.destroy_service(service)
    wait_until(lambda: hasty() == 503)
    ros.node('asleep', '/robot_05').create_service(SetBool, 'lights', switch)  # nobody serves it
    wait_until(lambda: hasty() != 503)
    answer = api.post(f'{PATH}/hasty', json={'lit': True})
    assert (answer.status_code, answer.json()['command']['state']) == (504, 'timed_out')
    assert 'did not answer within 0.4 s; it may be done all the same' in answer.json()['detail']


def test_the_same_key_does_it_once(start_api, node):
    asked = []

    def switch(request, response):
        asked.append(request.data)
        time.sleep(0.2)
        response.success = True
        return response

    api = start_api(robots=ROBOTS, commands={'lights': {**LIGHTS, 'wait': '0.5s'}, 'dim': LIGHTS})
    key = {'Idempotency-Key': 'once'}
    assert api.post(f'{PATH}/lights', json={'lit': True}, headers=key).status_code == 503
    node.create_service(SetBool, 'lights', switch)
    assert api.post(f'{PATH}/dim', json={'lit': False}).status_code == 200
    asked.clear()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(
            lambda _: api.post(f'{PATH}/lights', json={'lit': True}, headers=key), range(4)
        ))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()['id'] for each in answers}) == 1
    assert asked == [True]
    answer = api.post(f'{PATH}/lights', json={'lit': False}, headers=key)
    detail, = answer.json()['detail']
    assert (answer.status_code, detail['loc']) == (422, ['header', 'Idempotency-Key'])
    assert asked == [True]


def test_the_record_waits_for_the_database(start_api, node, postgres_server):
    node.create_service(SetBool, 'lights', lambda _, response: SetBool.Response(success=True))
    api = start_api(postgres_server.url, robots=ROBOTS, commands={'lights': LIGHTS})
    assert api.post(f'{PATH}/lights', json={'lit': True}).status_code == 200
    wait_until(lambda: api.events()['written'] == 2)
    postgres_server.kill()
    for _ in range(2):
        assert api.post(f'{PATH}/lights', json={'lit': True}).status_code == 200
    wait_until(lambda: api.events()['problem'] and api.events()['waiting'] == 4)
    assert 'does not answer' in api.events()['problem']
    postgres_server.restart()
    wait_until(lambda: api.events()['written'] == 6)
    assert api.events()['lost'] == api.events()['waiting'] == 0
    assert [each[2] for each in api.stored(postgres_server.url)] == [
        'lights asked by 127.0.0.1', 'lights succeeded',
    ] * 3
