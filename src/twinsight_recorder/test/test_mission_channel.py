"""Missions told over real DDS: who follows whom, and what the services answer."""

import time

from diagnostic_msgs.msg import KeyValue
import pytest
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile

from twinsight_interfaces.msg import Mission as MissionMessage
from twinsight_interfaces.srv import EndMission, StartMission
from twinsight_recorder.mission.channel import MissionChannel
from twinsight_recorder.mission.choice import first_mission, Mission, Origin
from twinsight_recorder.mission.services import MissionServices

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
HOUR_NS = 3600 * 10**9


class Team:
    """Nodes of one robot that each have a say in its mission."""

    def __init__(self, ros):
        self.ros = ros
        self.channels = []
        self.followed = []
        self.publisher = ros.node('person').create_publisher(MissionMessage, 'mission', LATCHED)

    def join(self, mission=None):
        """Start a node; by default without a mission of its own."""
        mission = mission or first_mission('', time.time_ns())
        channel = MissionChannel(
            self.ros.node(f'node_{len(self.channels)}'), 'r1', mission, self.followed.append
        )
        self.channels.append(channel)
        return channel

    def tell(self, mission_id, **fields):
        """Publish as a person does who gives no stamp."""
        self.publisher.publish(MissionMessage(
            robot_id='r1', mission_id=mission_id, origin=MissionMessage.ORIGIN_REQUEST, **fields
        ))

    def wait(self, until):
        end = time.monotonic() + 30
        while not until():
            assert time.monotonic() < end, [channel.current for channel in self.channels]
            self.listen(0.02)

    def listen(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)
            for channel in self.channels:
                channel.take()

    def wait_for_mission(self, mission_id):
        self.wait(lambda: all(each.current.mission_id == mission_id for each in self.channels))


@pytest.fixture
def team(ros):
    team = Team(ros)
    yield team
    for channel in team.channels:
        channel.close()


def test_a_message_without_a_stamp_does_not_come_back_when_a_node_starts_later(team):
    first = team.join()
    team.tell('told')
    team.wait_for_mission('told')
    first.request('asked')
    second = team.join()
    team.wait_for_mission('asked')
    team.wait(lambda: second.heard)
    team.listen(0.5)  # what is latched has arrived
    assert [each.current.mission_id for each in (first, second)] == ['asked'] * 2
    assert first.current == second.current


def test_without_a_stamp_a_mission_began_when_it_was_told_and_for_all_the_same(team):
    team.join(), team.join()
    before_ns = time.time_ns()
    team.tell('told')
    time.sleep(0.2)
    after_ns = time.time_ns()
    team.wait_for_mission('told')
    team.join()
    team.wait_for_mission('told')
    [began_ns] = {channel.current.began_ns for channel in team.channels}
    assert before_ns <= began_ns < after_ns


def test_a_mission_is_followed_also_where_the_clock_was_set_back_before_it(team):
    future = Mission('A', time.time_ns() + HOUR_NS, Origin.REQUEST)
    first, second = team.join(future), team.join(future)
    team.wait(lambda: first._publisher.get_subscription_count() == 2)
    first.request('B')
    team.wait_for_mission('B')
    second.request('C')
    team.wait_for_mission('C')


@pytest.mark.parametrize('ahead_ns', [0, HOUR_NS])
def test_missions_that_follow_each_other_within_a_second_have_ids_of_their_own(team, ahead_ns):
    channel = team.join(first_mission('', time.time_ns() + ahead_ns))
    ids = [channel.current.mission_id, *(channel.request('').mission_id for _ in range(20))]
    assert len(set(ids)) == 21
    assert ids[1:] == sorted(ids[1:])


def test_a_message_without_an_id_begins_a_mission_that_all_call_the_same(team):
    channels = [team.join(), team.join()]
    team.tell('')
    team.wait(lambda: all(each.current.origin == Origin.REQUEST for each in channels))
    [mission] = {(each.current.mission_id, each.current.began_ns) for each in channels}
    assert mission[0].startswith('20') and mission[0].endswith(f'.{mission[1] % 10**9:09}Z')


@pytest.mark.parametrize('wrong', [
    {'mission_id': 'a\nb'}, {'mission_id': 'ok', 'ended_mission_id': ' a'},
])
def test_a_message_with_a_wrong_id_is_ignored_with_one_warning(team, capfd, wrong):
    channel = team.join(first_mission('A', time.time_ns()))
    team.wait(lambda: team.publisher.get_subscription_count() == 1)
    for _ in range(3):
        team.tell(**wrong)
        team.wait(lambda: team.publisher.wait_for_all_acked(Duration(nanoseconds=1)))
        team.listen(0.1)
    assert (channel.current.mission_id, team.followed) == ('A', [])
    said = capfd.readouterr().err
    assert said.count('a message on mission is ignored: mission_id ') == 1
    assert 'accepted are 1 to 200 printable characters' in said
    team.tell('B')
    team.wait_for_mission('B')


class Robot:
    """A node that serves start_mission and end_mission, and remembers what was begun."""

    def __init__(self, ros, channel, node):
        self.ros, self.node, self.channel = ros, node, channel
        self.services = MissionServices(node, lambda: channel.current, channel.request)

    def ask(self, name, kind, **fields):
        client = self.node.create_client(kind, name)
        self.ros.spin(self.node, client.service_is_ready)
        future = client.call_async(kind.Request(**fields))
        self.ros.spin(self.node, future.done)
        return future.result()


def test_a_service_refuses_an_id_that_is_none_and_says_why(ros, team):
    channel = team.join(first_mission('A', time.time_ns()))
    robot = Robot(ros, channel, ros.node('metrics_recorder'))
    for name, kind in (('start_mission', StartMission), ('end_mission', EndMission)):
        for wrong in ('a\nb', ' ', 'x' * 5000):
            answer = robot.ask(name, kind, mission_id=wrong)
            assert not answer.success and answer.message.isprintable()
            assert 'accepted are 1 to 200 printable characters' in answer.message
    assert channel.current.mission_id == 'A'
    other = robot.ask('end_mission', EndMission, mission_id='B')
    assert other.message == 'mission B is not the one of now: that is A'
    labels = [KeyValue(key='site', value='hall 2')]
    assert robot.ask('start_mission', StartMission, mission_id='B', labels=labels).success
    ended = robot.ask('end_mission', EndMission, mission_id='B')
    assert (ended.success, ended.mission_id) == (True, 'B')
    assert ended.message.endswith(f'from now on: mission {channel.current.mission_id}')


@pytest.mark.parametrize(('namespaces', 'warnings'), [
    (('', ''), 1), (('/robot_01', '/robot_02'), 0),
])
def test_two_robots_in_one_namespace_are_told_to_have_one_each(
    ros, team, capfd, namespaces, warnings
):
    robots = [
        Robot(ros, team.join(), ros.node('metrics_recorder', namespace))
        for namespace in namespaces
    ]
    said, looked = '', time.monotonic() + 3.5

    def has_looked():
        nonlocal said
        said += capfd.readouterr().err
        return time.monotonic() > looked and said.count('another node serves') >= warnings

    ros.spin(robots[1].node, has_looked)
    assert said.count('another node serves /start_mission too: one call begins') == warnings
    assert said.count('a namespace of its own (-r __ns:=/robot_05)') == warnings
