"""Goals of actions over HTTP and real DDS: feedback, result, cancelling, and what goes wrong."""

from concurrent.futures import ThreadPoolExecutor

from geometry_msgs.msg import Twist
import pytest
from pytest_ros import wait_until

from twinsight_bridge.commands import goal
from twinsight_bridge.web import acting

ROBOTS = {'robot_05': '/robot_05'}
COUNT = {
    'action': '{namespace}/count', 'type': 'test_msgs/action/Fibonacci',
    'fields': {'order': '{n}'}, 'parameters': {'n': {'type': 'integer', 'least': 0}},
    'wait': '20s',
}
STOP = {
    'topic': '{namespace}/cmd_vel', 'type': 'geometry_msgs/msg/Twist', 'duration': '300ms',
    'rate': 20, 'cancel': ['{namespace}/count'], 'wait': '20s',
}
PATH = '/robots/robot_05/commands'


@pytest.fixture
def impatient(monkeypatch):
    """Have a server be given up soon that is gone."""
    monkeypatch.setattr(goal, '_GONE_S', 0.3)


def test_an_action_tells_how_it_goes_and_is_cancelled(start_api, make_counter, postgres_url):
    counter = make_counter()
    counter.finishes.clear()
    counted = {'sequence': [0, 1, 2, 3, 4]}
    api = start_api(postgres_url, robots=ROBOTS, commands={'count': COUNT})
    answer = api.post(f'{PATH}/count', json={'n': 5}, headers={'X-Operator': 'anna'})
    assert (answer.status_code, answer.json()['state']) == (202, 'running'), answer.text
    command = answer.json()['id']
    wait_until(lambda: told_last(api, command) == counted)
    counter.finishes.set()
    told = api.ended('robot_05', command)
    assert (told['state'], told['result']) == ('succeeded', counted)
    assert told['feedback']['data'] == counted
    counter.finishes.clear()
    command = api.post(f'{PATH}/count', json={'n': 13}).json()['id']
    counter.finishes.set()
    failed = api.ended('robot_05', command)
    assert (failed['state'], failed['message']) == ('failed', '/robot_05/count: the robot gave up')

    command = api.post(f'{PATH}/count', json={'n': 10_000}).json()['id']
    wait_until(lambda: api.command('robot_05', command)['feedback'])
    answer = api.delete(f'{PATH}/{command}', headers={'X-Operator': 'ben'})
    assert (answer.status_code, answer.json()['state']) == (200, 'cancelled')
    assert answer.json()['cancelled_by']['operator'] == 'ben'
    answer = api.delete(f'{PATH}/{command}')
    assert answer.status_code == 409 and 'has ended already: cancelled' in answer.text
    assert api.delete(f'{PATH}/nothing').status_code == 404
    assert counter.goals == [5, 13, 10_000]
    wait_until(lambda: api.events()['written'] == 6)
    assert [each[2] for each in api.stored(postgres_url)][1::2] == [
        'count succeeded', 'count failed: /robot_05/count: the robot gave up',
        'count cancelled by ben',
    ]
    assert [each['id'] for each in api.get(PATH).json()['recent']][::2] == [command, told['id']]


def told_last(api, command):
    """Return the latest feedback of a command, None before there is any."""
    feedback = api.command('robot_05', command)['feedback']
    return feedback and feedback['data']


def test_a_goal_that_is_refused_too_slow_or_not_cancelled(start_api, make_counter):
    counter = make_counter(accepts=False)
    api = start_api(robots=ROBOTS, commands={
        'count': COUNT, 'short': {**COUNT, 'time_limit': '0.5s'},
        'hasty': {**COUNT, 'timeout': '0.3s'},
    })
    answer = api.post(f'{PATH}/count', json={'n': 5})
    assert (answer.status_code, answer.json()['command']['state']) == (409, 'refused')
    assert answer.json()['detail'] == '/robot_05/count refuses the goal'

    counter.accepts = True
    command = api.post(f'{PATH}/short', json={'n': 10_000}).json()['id']
    told = api.ended('robot_05', command)
    assert told['state'] == 'timed_out'
    assert told['message'] == 'not done within 0.5 s: it is cancelled'

    counter.cancels = False
    counter.finishes.clear()
    command = api.post(f'{PATH}/count', json={'n': 5}).json()['id']
    answer = api.delete(f'{PATH}/{command}')
    assert answer.status_code == 409 and 'refuses to cancel the goal' in answer.json()['detail']
    counter.finishes.set()
    assert api.ended('robot_05', command)['state'] == 'succeeded'

    counter.cancels = True
    counter.answers.clear()
    answer = api.post(f'{PATH}/hasty', json={'n': 20_000})
    assert answer.status_code == 504 and 'did not take the goal' in answer.json()['detail']
    counter.answers.set()  # it takes the goal after all
    wait_until(lambda: counter.cancelled == [10_000, 20_000])


def test_the_robot_or_the_api_goes_away_meanwhile(
    start_api, make_counter, postgres_url, impatient, monkeypatch
):
    monkeypatch.setattr(acting, '_EVENTS_S', 20.0)
    first = make_counter(counts=False)
    api = start_api(postgres_url, robots=ROBOTS, commands={'count': COUNT})
    command = api.post(f'{PATH}/count', json={'n': 10_000}).json()['id']
    first.vanish()
    told = api.ended('robot_05', command)
    assert (told['state'], told['message']) == (
        'failed', 'the server of /robot_05/count is gone: what it did is not known'
    )
    second = make_counter()
    answer = api.post(f'{PATH}/count', json={'n': 10_000})
    assert answer.status_code == 202, answer.text
    assert second.begun.wait(30)
    api.stop()
    assert [(each[1], each[2]) for each in api.stored(postgres_url)][2:] == [
        ('info', 'count asked by 127.0.0.1'),
        ('warn', 'count failed: the api ended meanwhile: what the robot does is not known'),
    ]


def test_stop_stops_what_others_have_started(start_api, make_counter, node):
    counter = make_counter()
    speeds = []
    node.create_subscription(Twist, 'cmd_vel', speeds.append, 100)
    api = start_api(robots=ROBOTS, commands={
        'count': COUNT, 'stop': STOP, 'halt': {**STOP, 'duration': '60s'},
    })
    command = api.post(f'{PATH}/count', json={'n': 10_000}).json()['id']
    assert counter.begun.wait(30)
    answer = api.post(f'{PATH}/stop')
    assert (answer.status_code, answer.json()['state']) == (202, 'running')
    stopped = api.ended('robot_05', answer.json()['id'])
    assert (stopped['state'], stopped['result']) == ('succeeded', {'cancelled_goals': 1})
    told = api.ended('robot_05', command)
    assert told['message'] == '/robot_05/count: the goal was cancelled, but not from here'
    wait_until(lambda: speeds)
    assert len(speeds) <= 8 and not any(each.linear.x for each in speeds)

    speeds.clear()
    command = api.post(f'{PATH}/halt').json()['id']
    wait_until(lambda: len(speeds) >= 4)  # it is told again and again
    assert api.delete(f'{PATH}/{command}').json()['state'] == 'cancelled'
    assert not any(each.linear.x for each in speeds)


def test_what_is_not_sent_yet_is_cancelled_here(start_api, actions):
    api = start_api(robots=ROBOTS, commands={'count': {**COUNT, 'wait': '20s'}})
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(api.post, f'{PATH}/count', json={'n': 5})
        wait_until(lambda: api.get(PATH).json()['recent'])
        command = api.get(PATH).json()['recent'][0]
        assert command['state'] == 'accepted'
        answer = api.delete(f'{PATH}/{command["id"]}')
        assert (answer.status_code, answer.json()['state']) == (200, 'cancelled')
        assert asking.result(30).json()['state'] == 'cancelled'
