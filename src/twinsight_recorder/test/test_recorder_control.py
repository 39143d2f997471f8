"""The recorder's services over real DDS: what a caller finds in the store afterwards."""

import time

from pytest_ros import wait_until
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from std_srvs.srv import Trigger

from twinsight_interfaces.msg import Mission, RecorderStatus
from twinsight_interfaces.srv import ChangeTopics, SetMission, StartRecording, TakeSnapshot

ONE = QoSProfile(depth=1)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_what_arrives_in_a_pause_is_left_out_and_all_before_and_after_is_stored(bench):
    numbers = bench.publisher('/numbers')
    recorder = bench.start()
    bench.wait_for_subscriber(numbers)
    bench.publish_received(numbers, range(100))
    bench.do('pause', Trigger)
    bench.publish_received(numbers, range(100, 150))
    assert bench.statuses[-1].mode == RecorderStatus.MODE_PAUSED
    again = bench.ask('pause', Trigger)
    assert not again.success and again.message == 'paused already'
    bench.do('resume', Trigger)
    bench.publish_received(numbers, range(150, 250))
    assert bench.statuses[-1].mode == RecorderStatus.MODE_RECORDING
    assert not bench.ask('resume', Trigger).success
    bench.end(recorder)
    topic = bench.counts(recorder, '/numbers')
    assert (topic.received, topic.stored, topic.left_out, topic.lost) == (250, 200, 50, 0)
    assert bench.numbers('/numbers') == [*range(100), *range(150, 250)]


def test_a_mission_changes_at_one_message_while_messages_stream_in(bench, stream):
    publishers = [bench.publisher('/left'), bench.publisher('/right')]
    recorder = bench.start()
    bench.wait_for_subscriber(*publishers)
    calls = []
    with stream(publishers, 200) as running:
        for mission, count in (('B', 300), ('C', 340), ('D', 600)):
            wait_until(lambda count=count: running.count >= count)
            assert bench.do('set_mission', SetMission, mission_id=mission).mission_id == mission
            calls.append((mission, bench.ros.asked_ns, running.count))
        wait_until(lambda: running.count >= 800)
    for topic in ('/left', '/right'):
        bench.wait_until_received(topic, running.count)
    bench.end(recorder)
    for topic in ('/left', '/right'):
        missions = [bench.numbers(topic, missions=(mission,)) for mission in 'ABCD']
        assert [number for mission in missions for number in mission] == [*range(running.count)]
        for mission, asked_ns, answered in calls:
            assert bench.stored(topic, missions=(mission,))[0].receive_ns > asked_ns
            assert bench.numbers(topic, missions=(mission,))[0] <= answered


def test_a_split_labels_what_follows_with_its_part_until_the_next_mission(bench):
    numbers = bench.publisher('/numbers')
    recorder = bench.start()
    bench.wait_for_subscriber(numbers)
    bench.publish_received(numbers, range(20))
    bench.do('split', Trigger)
    bench.publish_received(numbers, range(20, 40))
    assert bench.do('split', Trigger).message == 'part 2 of mission A'
    bench.publish_received(numbers, range(40, 60))
    assert bench.statuses[-1].part == 2
    mission = bench.do('set_mission', SetMission).mission_id  # without one: of date and time
    assert mission.endswith('Z') and mission[:2] == '20'
    bench.publish_received(numbers, range(60, 80))
    assert bench.statuses[-1].mission_id == mission
    bench.end(recorder)
    assert bench.numbers('/numbers', missions=(mission,)) == [*range(60, 80)]
    parts = [message.labels.get('part') for message in bench.stored('/numbers')]
    assert parts == [None] * 20 + ['1'] * 20 + ['2'] * 20 + [None] * 20
    assert bench.numbers('/numbers', labels={'part': '2'}) == [*range(40, 60)]


def test_a_start_after_a_stop_begins_a_mission_and_what_came_between_is_no_loss(bench):
    numbers = bench.publisher('/numbers')
    recorder = bench.start()
    bench.wait_for_subscriber(numbers)
    refused = bench.ask('start', StartRecording, mission_id='B')
    assert not refused.success
    assert refused.message == 'recording already: robot robot_05, mission A'
    refused = bench.ask('snapshot', TakeSnapshot, before_s=1.0)
    assert not refused.success
    assert refused.message == 'the recorder stores everything: snapshots need mode: snapshot'
    bench.publish_received(numbers, range(50))
    bench.do('stop', Trigger)
    wait_until(lambda: numbers.get_subscription_count() == 0)
    refused = [bench.ask(name, Trigger) for name in ('stop', 'pause', 'resume', 'split')]
    assert [each.message for each in refused if not each.success] == ['stopped: start first'] * 4
    bench.publish(numbers, range(50, 80))
    wait_until(lambda: bench.statuses[-1].mode == RecorderStatus.MODE_STOPPED)
    wait_until(lambda: bench.topic('/numbers').stored == 50)
    assert bench.do('start', StartRecording, mission_id='B').mission_id == 'B'
    bench.wait_for_subscriber(numbers)
    bench.publish_received(numbers, range(80, 100))
    bench.end(recorder)
    assert bench.counts(recorder, '/numbers').lost == 0
    assert bench.numbers('/numbers', missions=('A',)) == [*range(50)]
    assert bench.numbers('/numbers', missions=('B',)) == [*range(80, 100)]


def test_topics_are_dropped_and_added_and_what_came_between_is_no_loss(bench, tmp_path):
    file = tmp_path / 'recorder.yaml'
    file.write_text("""
/**:
  ros__parameters:
    topics: {include: ['/numbers', '/state']}
    dynamic_labels: {state: {topic: /state, field: data}}
""")
    numbers, other = bench.publisher('/numbers'), bench.publisher('/other')
    state = bench.publisher('/state', String, ONE)
    recorder = bench.start('--params-file', str(file))
    bench.wait_for_subscriber(numbers, state)

    def say(*words):
        received = bench.topic('/state').received
        for word in words:
            bench.deliver(String(data=word), state)
        return received + len(words)

    bench.wait_until_received('/state', say('idle'))
    bench.publish_received(numbers, range(20))
    dropped = bench.do('change_topics', ChangeTopics, drop=['/num.*', '/state'])
    assert dropped.topics == []
    say('busy', 'dock', 'busy')
    wait_until(lambda: numbers.get_subscription_count() == 0)
    bench.publish(numbers, range(20, 40))
    added = bench.do('change_topics', ChangeTopics, add=['/numbers', '/other', '/state'])
    assert added.topics == ['/numbers', '/other', '/state']
    bench.wait_for_subscriber(numbers, other)
    bench.publish_received(numbers, range(40, 60))
    bench.publish_received(other, range(10))
    bench.wait_until_received('/state', say('charging'))
    wrong = bench.ask('change_topics', ChangeTopics, add=['/a('])
    assert not wrong.success and "'/a(': not a regular expression" in wrong.message
    bench.end(recorder)
    assert bench.numbers('/numbers') == [*range(20), *range(40, 60)]
    assert bench.numbers('/other') == [*range(10)]
    assert bench.numbers('/numbers', labels={'state': 'busy'}) == [*range(40, 60)]
    assert [b'idle' in m.data or b'charging' in m.data for m in bench.stored('/state')] == [
        True, True,
    ]
    assert [
        bench.counts(recorder, name).lost for name in ('/numbers', '/other', '/state')
    ] == [0, 0, 0]


def test_a_label_follows_another_topics_field(bench, tmp_path):
    file = tmp_path / 'recorder.yaml'
    file.write_text("""
/**:
  ros__parameters:
    topics: {include: ['/numbers']}
    dynamic_labels: {state: {topic: /state, field: data}}
""")
    numbers, state = bench.publisher('/numbers'), bench.publisher('/state', String, LATCHED)
    state.publish(String(data='idle'))  # before the recorder is there
    recorder = bench.start('--params-file', str(file))
    bench.wait_for_subscriber(numbers, state)
    wait_until(lambda: state.wait_for_all_acked(Duration(nanoseconds=1)))
    bench.publish_received(numbers, range(50))
    for word, part in (('busy', range(50, 100)), ('', range(100, 150))):
        bench.deliver(String(data=word), state)
        bench.publish_received(numbers, part)
    bench.end(recorder)
    labels = [message.labels.get('state') for message in bench.stored('/numbers')]
    assert labels == ['idle'] * 50 + ['busy'] * 50 + [None] * 50
    assert not bench.stored('/state')


def test_the_recorder_follows_a_mission_that_another_node_tells(bench):
    missions = bench.publisher('/mission', Mission, LATCHED)
    numbers = bench.publisher('/numbers')
    recorder = bench.start()
    bench.wait_for_subscriber(numbers, missions)
    bench.publish_received(numbers, range(50))
    told = Mission(robot_id='robot_05', mission_id='B', origin=Mission.ORIGIN_REQUEST)
    missions.publish(Mission(robot_id='robot_06', mission_id='X', origin=Mission.ORIGIN_REQUEST))
    missions.publish(told)
    wait_until(lambda: bench.statuses[-1].mission_id == 'B')
    bench.publish_received(numbers, range(50, 80))
    wait_until(lambda: bench.topic('/numbers').mission_messages == 30)
    of_a = [status for status in bench.statuses if status.mission_id == 'A'][-1]
    assert bench.topic('/numbers', of_a).mission_messages == 50  # the last word on mission A
    told.origin, told.mission_id = Mission.ORIGIN_PARAMETER, 'C'
    missions.publish(told)  # a node that was started with it: no reason to end B
    bench.publish_received(numbers, range(80, 100))
    bench.end(recorder)
    assert bench.numbers('/numbers', missions=('A',)) == [*range(50)]
    assert bench.numbers('/numbers', missions=('B',)) == [*range(50, 100)]
    assert bench.stored('/mission') == []


def test_a_recorder_that_starts_later_joins_the_mission_of_the_one_that_runs(bench):
    missions = bench.publisher('/mission', Mission, LATCHED)
    missions.publish(
        Mission(robot_id='robot_05', mission_id='B', origin=Mission.ORIGIN_REQUEST)
    )
    recorder = bench.start()
    wait_until(lambda: bench.statuses and bench.statuses[-1].mission_id == 'B')
    bench.end(recorder)


def test_the_counts_of_a_mission_are_told_also_where_it_is_interrupted(bench):
    numbers = bench.publisher('/numbers')
    before_s = time.time()
    recorder = bench.start(use_sim_time=True)  # without a /clock
    bench.wait_for_subscriber(numbers)
    for mission, count in (('A', 40), ('A', 20), ('B', 7), ('A', 5)):
        bench.do('set_mission', SetMission, mission_id=mission)
        bench.publish_received(numbers, range(count))
    bench.end(recorder)
    counts = {}
    for status in bench.statuses:
        started = status.started.sec + status.started.nanosec / 1e9
        counts[status.mission_id, started] = bench.topic('/numbers', status).mission_messages
    assert [(mission, count) for (mission, _), count in counts.items()] == [
        ('A', 60), ('B', 7), ('A', 5)
    ]
    assert all(before_s < started < time.time() for _, started in counts)


def test_a_snapshot_is_counted_for_a_mission_only_where_its_messages_belong_to_it(bench):
    numbers = bench.publisher('/numbers')
    recorder = bench.start(
        mode='snapshot', **{'topics.include': '[/numbers]', 'snapshot.duration': '10min'}
    )
    bench.wait_for_subscriber(numbers)
    bench.publish_received(numbers, range(30))
    bench.do('set_mission', SetMission, mission_id='B')
    bench.publish_received(numbers, range(30, 50))
    bench.do('split', Trigger)
    bench.publish_received(numbers, range(50, 55))
    assert bench.do('snapshot', TakeSnapshot).messages == 55
    wait_until(lambda: bench.topic('/numbers').mission_messages == 25)
    bench.end(recorder)
    assert bench.numbers('/numbers', missions=('A',)) == [*range(30)]
    assert bench.numbers('/numbers', missions=('B',)) == [*range(30, 55)]


def test_a_mission_with_an_id_that_is_none_is_refused_and_recording_goes_on(bench):
    numbers = bench.publisher('/numbers')
    recorder = bench.start()
    bench.wait_for_subscriber(numbers)
    for wrong in ('a\nb', ' ', 'x' * 201):
        refused = bench.ask('set_mission', SetMission, mission_id=wrong)
        assert not refused.success
        assert 'accepted are 1 to 200 printable characters' in refused.message
    bench.do('stop', Trigger)
    wait_until(lambda: not numbers.get_subscription_count())
    assert not bench.ask('start', StartRecording, mission_id='a\nb').success
    bench.do('start', StartRecording, mission_id='A')
    bench.wait_for_subscriber(numbers)
    bench.publish_received(numbers, range(10))
    bench.end(recorder)
    assert bench.numbers('/numbers', missions=('A',)) == [*range(10)]
