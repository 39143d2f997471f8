"""Which channels a viewer sees."""

from dataclasses import replace

import foxglove
import pytest

from twinsight_bridge.playback.viewer_channels import ViewerChannels
from twinsight_replay.topic_names import TopicNames
from twinsight_store.message import Message


@pytest.fixture
def channels():
    """Return what makes the channels of some robots, and the list of problems."""

    def make(*robots):
        names, problems = TopicNames(), []
        names.tell_apart(robots)
        return ViewerChannels(foxglove.Context(), names, problems.append), problems

    return make


def of(channels, channel, robot='robot_05'):
    return channels.of(Message(channel, 1, 1, 0, b'', {'robot_id': robot}))


def test_robots_are_told_apart_where_there_are_several(channels, make_channel):
    both, _ = channels('robot_05', 'robot_06')
    assert of(both, make_channel('/odom')).topic() == '/robot_05/odom'
    assert of(both, make_channel('/odom'), 'robot_06').topic() == '/robot_06/odom'
    one, _ = channels('robot_05', 'robot_05')
    assert of(one, make_channel('/odom')).topic() == '/odom'


def test_a_topic_whose_definition_changed_has_two_channels(channels, make_channel):
    made, problems = channels('robot_05')
    new = make_channel('/odom')
    old = replace(new, schema=b'string text\n')
    other_qos = replace(new, metadata={'offered_qos_profiles': '- {depth: 3}'})
    assert [of(made, each).topic() for each in (new, old, other_qos, new)] == [
        '/odom', '/odom (2)', '/odom', '/odom'
    ]
    assert of(made, old).schema().data == b'string text\n'
    assert problems == ['topic /odom: its definition changed: see /odom (2) too']
    assert len(made) == 2


def test_a_topic_without_a_definition_is_said_once(channels, make_channel):
    made, problems = channels('robot_05')
    unknown = replace(make_channel('/odom'), schema=b'', schema_encoding='')
    assert of(made, unknown) is None and of(made, unknown) is None
    assert problems == [
        'topic /odom is not shown: the definition of std_msgs/msg/String is not stored'
    ]


def test_latched_channels_are_marked(channels, make_channel):
    made, _ = channels('robot_05')
    of(made, make_channel('/odom'))
    site = of(made, make_channel('/map', latched=True))
    assert site.metadata()['latched'] == 'true' and 'transient_local' in str(site.metadata())
    assert made.latched == [site.id()]
