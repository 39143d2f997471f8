"""Rules of replication as they are written: names, addresses, topics, labels, secrets."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

import pytest

from twinsight_store.errors import ConfigurationError
from twinsight_store.replication_rule import check_rules, entry_patterns, ReplicationRule
from twinsight_store.selection import Selection

if TYPE_CHECKING:
    from conftest import Store
    from twinsight_store.connection import Connection

HOST = 'http://central:8383'
SECRET = 's3cr3t'

TOPICS = [
    '/scan', '/scan/raw', '/front/scan', '/front/lidar/scan', '/prescan', '/state', '/a/b', '/a',
    '/camera/front/image', '/camera/image', '/camera_front/image', '/camera', '/a1b', '/a/1/b',
]  # fmt: skip


@pytest.mark.parametrize(('rule', 'said'), [
    ({'name': 'Central'}, "replication 'Central': accepted are names of lower-case letters"),
    ({'name': ''}, "replication '': accepted are names of lower-case letters"),
    ({'url': 'central:8383'}, "url 'central:8383': accepted is http(s)://"),
    ({'topics': ()}, 'replication central: topics: at least one is needed'),
    ({'topics': ('/state.*',)}, "topic '/state.*': accepted are topic names, in which * stands"),
    ({'topics': ('/a//b',)}, "topic '/a//b': accepted are topic names"),
    ({'topics': ('',)}, "topic '': accepted are topic names"),
    ({'labels': {'receive_ns': '1'}}, "label 'receive_ns': accepted are mission_id, sensor_type"),
    ({'labels': {'&event': '1'}}, "label '&event': accepted are mission_id, sensor_type and"),
])
def test_a_rule_that_cannot_hold_is_refused_with_what_is_accepted(
    rule: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        ReplicationRule(**{'name': 'central', 'url': HOST, **rule})
    assert str(error.value).startswith(said)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as error:
        ReplicationRule('central', f'http://me:{SECRET}@central:8383')
    assert 'holds a user or a password' in str(error.value)
    assert SECRET not in str(error.value)


def test_token_and_address_come_from_the_environment() -> None:
    environment = {
        'TWINSIGHT_REPLICATION_HEAD_OFFICE_TOKEN': SECRET,
        'TWINSIGHT_REPLICATION_HEAD_OFFICE_URL': HOST,
    }
    rule = ReplicationRule.from_environment('head-office', environment=environment, bucket='b')
    assert rule == ReplicationRule('head-office', HOST, 'b', token=SECRET)
    assert SECRET not in repr(rule)


def test_the_configuration_s_address_comes_before_the_environment_s() -> None:
    environment = {'TWINSIGHT_REPLICATION_CENTRAL_URL': 'http://other:1'}
    assert ReplicationRule.from_environment('central', HOST, environment).url == HOST


def test_without_an_address_the_variable_is_named() -> None:
    with pytest.raises(ConfigurationError, match='set TWINSIGHT_REPLICATION_HEAD_OFFICE_URL$'):
        ReplicationRule.from_environment('head-office', environment={})


@pytest.mark.parametrize(('one', 'other'), [
    ('*', '/scan'), ('/scan', 'scan'), ('/camera/*', '*/image'), ('/a*c', '/ab*'), ('*', '*'),
    ('/a*', '*b'), ('/camera/*/raw', '/camera/front*'),
])
def test_two_rules_that_may_send_one_topic_to_one_bucket_are_refused(
    one: str, other: str
) -> None:
    first = ReplicationRule('first', HOST, topics=(one, '/other'))
    with pytest.raises(ConfigurationError) as error:
        check_rules([first, ReplicationRule('second', f'{HOST}/', topics=(other,))])
    assert str(error.value).startswith(
        f'replication first and second: topics {one!r} and {other!r} may both choose one topic'
    )
    check_rules([first, ReplicationRule('second', HOST, 'another', topics=(other,))])
    check_rules([first, ReplicationRule('second', 'http://else:1', topics=(other,))])


@pytest.mark.parametrize(('one', 'other'), [
    ('/scan', '/state'), ('/camera/*', '/camera'), ('/camera/*', '/arm/*'), ('*/raw', '/a/image'),
    ('/a*c', '/b*'), ('/scan', '/scan/raw'), ('*b', '*c'),
])
def test_two_rules_for_different_topics_may_share_a_bucket(one: str, other: str) -> None:
    check_rules([
        ReplicationRule('first', HOST, topics=(one,)),
        ReplicationRule('second', HOST, topics=(other,)),
    ])  # fmt: skip


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match='replication first: there are two of this name'):
        check_rules([ReplicationRule('first', HOST), ReplicationRule('first', 'http://else:1')])


@pytest.mark.parametrize('glob', [
    '*', '/*', '/scan', 'scan', '*/scan', '*scan', '/*/scan', '/camera/*', '/camera*', '/scan*',
    '/camera*/image', '/*camera*', '/a*b', '/*a*e', '/c*a*e', '*/front/*', '/camera/**/image',
    '**', '**/image', '/none', '/a/*/b', '/f*n',
])  # fmt: skip
def test_a_glob_chooses_the_topics_that_a_selection_chooses(store: Store, glob: str) -> None:
    for topic in TOPICS:
        store.put(f'robot_01{topic}', 1, b'x')
        store.put(f'robot_02{topic}', 1, b'x')

    async def chosen(connection: Connection) -> list[str]:
        bucket = await connection.bucket()
        patterns = entry_patterns('robot_01', glob)
        return [record.entry async for record in bucket.query(patterns)]

    selection = Selection(topics=(glob,))
    expected = [f'robot_01{topic}' for topic in TOPICS if selection.has_topic(topic)]
    assert sorted(store.ask(chosen)) == sorted(expected)
