"""What an operator does with a replay, over a real socket."""

import time

import pytest
from pytest_ros import wait_until

PLAY, PAUSE = 0, 1
PLAYING, PAUSED, BUFFERING, ENDED = range(4)
SECOND = 1_000_000_000
TOPICS = ('/odom', '/camera', '/plan', '/map', '/tf_static')


def numbers(messages):
    """Return the numbers that messages of /odom have."""
    return [int(each.data[8:-1]) for each in messages if each.topic == '/odom']


@pytest.fixture(scope='module')
def shared(drive, new_bridge):
    with new_bridge(drive.settings, max_sessions=99) as bridge:  # they last for a minute
        yield bridge


@pytest.fixture
def viewer(shared, drive):
    """Give a viewer of all topics, of a session that stands still at its start."""
    session = shared.open(robot='robot_05', session='operator')
    viewer = shared.look_at(session)
    viewer.subscribe(*TOPICS)
    begin = viewer.request(PAUSE, drive.at_ns(0))
    wait_until(lambda: numbers(viewer.since(begin)) == [0])
    viewer.frames.clear()
    yield viewer
    shared.disconnect()


def test_a_viewer_gets_all_that_was_recorded(shared, drive):
    session, viewer = shared.watch(*TOPICS, robot='robot_05', rate=8, paused='true')
    assert session.describe()['rate'] == 8.0
    viewer.request(PLAY, rate=8.0)  # obeyed when all topics are subscribed to
    end = viewer.state(lambda state: state.status == ENDED)
    viewer.settle(len(drive.messages))
    for topic in TOPICS:
        assert viewer.recorded(topic) == drive.of(topic)
    assert viewer.info['capabilities'] == ['playbackControl', 'time']
    assert viewer.info['dataStartTime'] == {'sec': drive.start_ns // SECOND, 'nsec': 0}
    assert abs(end.time_ns - drive.at_ns(drive.count)) < 0.1 * SECOND
    assert end.rate == 8.0 and not end.did_seek
    idl = viewer.channels['/plan']
    assert (idl['encoding'], idl['schemaName']) == ('cdr', 'std_msgs/msg/String')
    assert idl['schemaEncoding'] == 'ros2idl' and 'struct String' in idl['schema']
    assert viewer.channels['/odom']['schemaEncoding'] == 'ros2msg'
    assert viewer.channels['/odom']['schema'] == 'string data\n'
    assert viewer.channels['/map']['metadata']['latched'] == 'true'
    assert 'latched' not in viewer.channels['/odom'].get('metadata', {})


def test_the_position_is_told_while_it_plays(viewer):
    viewer.request(PLAY)

    def times():
        return [each for each in tuple(viewer.frames) if isinstance(each, int)]

    wait_until(lambda: len(set(times())) > 10)  # of eight seconds, after which it stays the same
    assert times() == sorted(times())


def test_pause_and_play(viewer, shared, drive):
    before = shared.played('operator')
    viewer.request(PLAY)
    wait_until(lambda: len(numbers(viewer.messages())) > 20)
    slow = viewer.request(PLAY, rate=0.1)  # so that it is not far behind, however late it is
    wait_until(lambda: drive.at_ns(numbers(viewer.messages())[-1]) > slow.time_ns)
    paused = viewer.request(PAUSE, rate=0.1)
    assert (paused.status, paused.did_seek) == (PAUSED, False)
    count = shared.played('operator') - before
    wait_until(lambda: len(viewer.messages()) >= count)
    time.sleep(0.3)
    assert len(viewer.messages()) == shared.played('operator') - before == count
    last = numbers(viewer.messages())[-1]
    assert drive.at_ns(last) <= paused.time_ns < drive.at_ns(last + 1) + 0.5 * SECOND
    assert viewer.request(PLAY, rate=4.0).status == PLAYING
    wait_until(lambda: len(numbers(viewer.messages())) > 150)
    seen = numbers(viewer.messages())
    assert seen == list(range(seen[0], seen[0] + len(seen)))


def test_seek_forward_and_back_while_it_plays(viewer, drive):
    viewer.request(PLAY)
    for number in (300, 20, 250):
        state = viewer.request(PLAY, drive.at_ns(number))
        assert state.did_seek and state.time_ns == drive.at_ns(number)
        wait_until(lambda state=state: len(numbers(viewer.since(state))) > 20)
        after = viewer.since(state)
        latched = [each for each in drive.of('/map', '/tf_static') if each[1] < state.time_ns]
        if number > 200:  # the second map is the one that holds; frames hold each for itself
            latched.remove(drive.of('/map')[0])
        first = [each[:3] for each in after[:len(latched)]]
        assert sorted(first) == sorted(latched)
        # The one before, which holds there, then all from there on.
        assert numbers(after)[:20] == list(range(number - 1, number + 19))


def test_after_a_seek_nothing_of_before_comes(viewer, drive):
    viewer.request(PLAY, rate=8.0)
    for number in (30, 390, 40, 380, 50, 370) * 3:
        state = viewer.request(PLAY, drive.at_ns(number), rate=8.0)
        expected = [number - 1, number, number + 1]
        wait_until(lambda s=state, e=expected: numbers(viewer.since(s))[:3] == e)


def test_a_seek_while_paused_shows_the_scene_of_that_time(viewer, drive):
    state = viewer.request(PAUSE, drive.at_ns(302))
    assert state.status == PAUSED and state.time_ns == drive.at_ns(302)
    wait_until(lambda: numbers(viewer.since(state))[-1:] == [302])
    viewer.settle()
    shown = viewer.since(state)
    assert [each.topic for each in shown] == [
        '/tf_static', '/map', '/tf_static', '/camera', '/plan', '/odom', '/odom'
    ]
    assert numbers(shown) == [301, 302]
    assert [each.data[8:13] for each in shown[1:2]] == [b'map 1']
    assert shown[3].data[8:12] == b'300 '
    assert all(each.log_ns <= drive.at_ns(302) for each in shown)


def test_speed(viewer, drive):
    """No message is early, however busy the machine is; the player's tests have the rest."""
    for rate, count in ((8.0, 340), (0.5, 20)):
        asked_s = time.monotonic()
        state = viewer.request(PLAY, drive.at_ns(20), rate)
        assert state.rate == rate
        wait_until(lambda s=state, n=count: len(numbers(viewer.since(s))) > n)
        viewer.request(PAUSE, rate=rate)
        for each in viewer.since(state):
            recorded_s = (each.log_ns - state.time_ns) / SECOND
            assert each.at_s - asked_s >= recorded_s / rate - 1e-6
        if rate > 1:
            assert each.at_s - asked_s < recorded_s


def test_the_end_and_playing_again(viewer, drive):
    viewer.request(PLAY, drive.at_ns(380), 4.0)
    end = viewer.state(lambda state: state.status == ENDED)
    wait_until(lambda: numbers(viewer.messages())[-1:] == [drive.count - 1])
    again = viewer.request(PLAY, rate=4.0)
    assert (again.status, again.did_seek) == (PLAYING, True)
    assert again.time_ns < drive.at_ns(1) < end.time_ns
    wait_until(lambda: numbers(viewer.since(again))[:3] == [0, 1, 2])


def test_times_outside_of_what_was_recorded_mean_its_ends(viewer, drive):
    state = viewer.request(PAUSE, drive.start_ns - 100 * SECOND)
    assert state.time_ns == viewer.request(PAUSE, drive.start_ns).time_ns
    state = viewer.request(PAUSE, drive.start_ns + 100 * SECOND)
    assert drive.at_ns(drive.count - 1) <= state.time_ns < drive.at_ns(drive.count)
    assert viewer.request(PAUSE, rate=1e9).rate == 100.0
    assert viewer.request(PAUSE, rate=float('nan')).rate == 1.0


def test_who_subscribes_late_gets_what_holds(viewer, shared, drive):
    viewer.request(PLAY, drive.at_ns(250), 0.05)  # it is not at the end before they are there
    late = shared.look_at(shared.open(session='operator'))
    late.subscribe('/map', '/tf_static', '/camera')
    wait_until(lambda: late.messages('/map') and len(late.messages('/tf_static')) == 2)
    viewer.request(PLAY, rate=0.5)
    wait_until(lambda: len(late.messages('/camera')) > 3)
    assert late.recorded('/map') == drive.of('/map')[1:]
    assert late.recorded('/tf_static') == drive.of('/tf_static')
    late.request(PAUSE)
    later = shared.look_at(shared.open(session='operator'))
    later.subscribe('/camera', '/odom')
    wait_until(lambda: len(later.messages()) == 2)
    wait_until(lambda: later.recorded('/camera') == late.recorded('/camera')[-1:])
    assert later.state(lambda state: state.status == PAUSED).time_ns >= drive.at_ns(250)


def test_two_in_one_session_see_the_same(viewer, shared, drive):
    other = shared.look_at(shared.open(session='operator', robot='robot_05'))
    other.subscribe('/odom')
    wait_until(lambda: numbers(other.messages()) == [0])  # what holds, as it stands still
    state = viewer.request(PLAY, drive.at_ns(100), 8.0)
    heard = other.state(lambda each: each.did_seek)
    assert heard.time_ns == state.time_ns
    for each, begin in ((viewer, state), (other, heard)):
        each.state(lambda each: each.status == ENDED)
        wait_until(lambda v=each, b=begin: numbers(v.since(b))[-1:] == [399])
        each.settle()
        assert numbers(each.since(begin)) == list(range(99, 400))


def test_operators_without_a_name_have_a_session_each(shared, drive):
    first, one = shared.watch('/odom', robot='robot_05', topic='/odom', rate=2)
    second, two = shared.watch('/odom', robot='robot_05', topic=['/odom', '/map'], paused='true')
    assert first.id != second.id and first.port != second.port
    assert set(one.channels) == {'/odom'} and set(two.channels) == {'/odom', '/map'}
    wait_until(lambda: len(one.messages()) > 20)
    assert two.messages() == [] and two.state(lambda state: True).status == PAUSED
    two.request(PLAY, drive.at_ns(200))
    wait_until(lambda: len(two.messages('/odom')) > 5)
    assert numbers(two.messages())[0] == 199
    seen = numbers(one.messages())
    assert seen == list(range(len(seen)))
    shared.disconnect()


def test_the_address_says_what_is_played(shared, drive):
    viewer = shared.connect(robot='robot_05', mission='mission_42', topic=['/odom', '/plan'],
                            to=drive.start_ns // SECOND + 4, rate=8)
    assert set(viewer.channels) == {'/odom', '/plan'}
    viewer.subscribe('/odom')
    viewer.state(lambda state: state.status == ENDED)
    viewer.settle(200)
    assert numbers(viewer.messages()) == list(range(200))
    shared.disconnect()


@pytest.mark.parametrize(('query', 'said'), [
    ({'robot': 'robot_99'}, 'robot_99'),
    ({'robot': 'robot_05', 'from': 'soon'}, "from: time 'soon'"),
    ({'robots': 'robot_05'}, 'robots: unknown; accepted are '),
])
def test_an_address_that_names_nothing_is_explained_in_the_viewer(shared, query, said):
    viewer = shared.connect(**query)
    assert said in viewer.statuses[0]['message']
    assert viewer.statuses[0]['level'] == 2
    assert not viewer.channels
    shared.disconnect()


def test_it_stands_still_while_nobody_looks(viewer, shared, drive):
    session = shared.open(session='operator')
    viewer.request(PLAY)
    wait_until(lambda: len(viewer.messages()) > 10)
    viewer.request(PLAY, rate=0.25)  # a busy machine may take a second more than it has to
    wait_until(lambda: session.describe()['state'] == 'playing')
    shared.disconnect()
    seen = numbers(viewer.messages())[-1]
    wait_until(lambda: session.describe()['state'] == 'paused')
    position_ns = session.describe()['position_ns']
    assert drive.at_ns(seen) <= position_ns < drive.at_ns(seen) + 1.6 * SECOND
    back = shared.look_at(session)
    back.subscribe('/odom')
    wait_until(lambda: len(back.messages()) > 10)
    first, *_ = again = numbers(back.messages())
    assert again == list(range(first, first + len(again)))  # it goes on where it stood
    assert first >= seen and drive.at_ns(first) <= position_ns
