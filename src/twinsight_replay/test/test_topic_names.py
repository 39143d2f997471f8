import pytest

from twinsight_replay.topic_names import TopicNames
from twinsight_store.errors import ConfigurationError

ANY = ('', '')


def test_topics_get_the_prefix_unless_they_are_remapped():
    names = TopicNames('/replay/', ['/odom:=/old/odom', 'scan:=laser'])
    assert names.published(ANY, '/camera/image') == '/replay/camera/image'
    assert names.published(ANY, '/odom') == '/old/odom'
    assert names.published(ANY, '/scan') == '/laser'
    assert names.unused(['/odom', '/camera/image']) == ['/scan']
    assert TopicNames().published(ANY, '/odom') == '/odom'


def test_several_robots_are_told_apart_by_name():
    names = TopicNames('/replay')
    names.tell_apart(['robot-05', '7'])
    labels = {'robot_id': 'robot-05', 'mission_id': 'm'}
    assert names.published(names.source(labels), '/odom') == '/replay/robot_05/odom'
    labels = {'robot_id': '7', 'mission_id': 'm'}
    assert names.published(names.source(labels), '/odom') == '/replay/_7/odom'


def test_missions_of_one_robot_side_by_side_are_told_apart_too():
    names = TopicNames()
    runs = [('r', 'first try'), ('r', '2nd'), ('s', 'm')]
    names.tell_apart(['r', 'r', 's'], runs)
    sources = [names.source({'robot_id': robot, 'mission_id': mission}) for robot, mission in runs]
    assert [names.published(source, '/odom') for source in sources] == [
        '/r/first_try/odom', '/r/_2nd/odom', '/s/m/odom',
    ]
    names.tell_apart(['r', 's'], [('r', 'first try'), ('s', 'm')])
    assert names.source({'robot_id': 'r', 'mission_id': 'first try'}) == ('r', '')
    names.tell_apart(['r'])
    assert names.source({'robot_id': 'r', 'mission_id': 'm'}) == ('', '')


@pytest.mark.parametrize('rule', ['/a', '/a:=', ':=/b', '/a:=/b c', '/a:=/0b'])
def test_a_remapping_that_is_none_is_refused(rule):
    with pytest.raises(ConfigurationError, match='--remap'):
        TopicNames('', [rule])


def test_a_prefix_that_is_no_name_is_refused():
    with pytest.raises(ConfigurationError, match='--prefix .* accepted is a name like /replay'):
        TopicNames('replay')
