import pytest

from twinsight_replay.topic_names import TopicNames
from twinsight_store.errors import ConfigurationError


def test_topics_get_the_prefix_unless_they_are_remapped():
    names = TopicNames('/replay/', ['/odom:=/old/odom', 'scan:=laser'])
    assert names.published('r1', '/camera/image') == '/replay/camera/image'
    assert names.published('r1', '/odom') == '/old/odom'
    assert names.published('r1', '/scan') == '/laser'
    assert names.unused(['/odom', '/camera/image']) == ['/scan']
    assert TopicNames().published('r1', '/odom') == '/odom'


def test_several_robots_are_told_apart_by_name():
    names = TopicNames('/replay')
    names.with_robot = True
    assert names.published('robot-05', '/odom') == '/replay/robot_05/odom'


@pytest.mark.parametrize('rule', ['/a', '/a:=', ':=/b', '/a:=/b c', '/a:=/0b'])
def test_a_remapping_that_is_none_is_refused(rule):
    with pytest.raises(ConfigurationError, match='--remap'):
        TopicNames('', [rule])


def test_a_prefix_that_is_no_name_is_refused():
    with pytest.raises(ConfigurationError, match='--prefix .* accepted is a name like /replay'):
        TopicNames('replay')
