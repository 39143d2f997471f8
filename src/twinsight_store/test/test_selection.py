from __future__ import annotations

import pytest

from twinsight_store.errors import ConfigurationError
from twinsight_store.selection import all_of, Selection

T0 = 1_763_900_000_000_000_000


def test_an_empty_selection_selects_everything() -> None:
    everything = Selection()
    assert everything.has_robot('any')
    assert everything.has_topic('/any')
    assert everything.has_time(0)
    assert everything.has_labels({})
    assert everything.condition() is None
    assert everything.describe() == 'everything'


@pytest.mark.parametrize(
    ('pattern', 'topic'),
    [
        ('/scan', '/scan'),
        ('scan', '/scan'),
        ('/camera/*', '/camera/front'),
        ('/camera/*', '/camera/front/image_raw/compressed'),
        ('*/compressed', '/camera/front/compressed'),
        ('*', '/scan'),
        ('/scan?', '/scan2'),
        ('/scan[12]', '/scan2'),
    ],
)
def test_a_pattern_selects_a_topic(pattern: str, topic: str) -> None:
    assert Selection(topics=(pattern,)).has_topic(topic)


@pytest.mark.parametrize(
    ('pattern', 'topic'),
    [
        ('/scan', '/scan2'),
        ('/scan', '/front/scan'),
        ('/Scan', '/scan'),
        ('/camera/*', '/camera'),
        ('/camera/*', '/lidar/front'),
        ('/scan?', '/scan'),
    ],
)
def test_a_pattern_leaves_other_topics_out(pattern: str, topic: str) -> None:
    assert not Selection(topics=(pattern,)).has_topic(topic)


def test_several_values_of_one_kind_are_alternatives() -> None:
    selection = Selection(
        robots=('a', 'b'), topics=('/x', '/y'), missions=('m', 'n'), sensors=('lidar', 'camera')
    )
    assert [selection.has_robot(robot) for robot in 'abc'] == [True, True, False]
    assert [selection.has_topic(topic) for topic in ('/x', '/y', '/z')] == [True, True, False]
    labels = {'mission_id': 'n', 'sensor_type': 'lidar'}
    assert selection.has_labels(labels)
    assert not selection.has_labels({**labels, 'mission_id': 'o'})
    assert not selection.has_labels({**labels, 'sensor_type': 'imu'})
    assert not selection.has_labels({'mission_id': 'n'})


def test_all_labels_must_hold() -> None:
    selection = Selection(labels={'site': 'x', 'shift': 'y'})
    assert selection.has_labels({'site': 'x', 'shift': 'y', 'more': 'z'})
    assert not selection.has_labels({'site': 'x', 'shift': 'z'})
    assert not selection.has_labels({'site': 'x'})


@pytest.mark.parametrize(('asked', 'there'), [('042', '42'), ('42', '042'), ('1e3', '1000')])
def test_labels_are_compared_as_text(asked: str, there: str) -> None:
    assert not Selection(missions=(asked,)).has_labels({'mission_id': there})
    assert Selection(missions=(asked,)).has_labels({'mission_id': asked})


def test_the_start_is_included_and_the_end_excluded() -> None:
    span = Selection(from_ns=10, to_ns=20)
    assert [span.has_time(t) for t in (9, 10, 19, 20)] == [False, True, True, False]


def test_a_span_may_be_open_at_either_end() -> None:
    assert Selection(from_ns=10).has_time(10**20)
    assert Selection(to_ns=10).has_time(0)


@pytest.mark.parametrize('span', [{'from_ns': -10**20}, {'to_ns': 10**21}])
def test_a_time_that_no_store_has_is_refused(span: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match='accepted are Unix nanoseconds of 64 bits'):
        Selection(**span)


@pytest.mark.parametrize('text', ['nul \0 inside', 'half a pair \ud800'])
@pytest.mark.parametrize('what', ['robots', 'missions', 'sensors', 'topics', 'labels'])
def test_a_text_that_no_store_could_hold_is_refused(what: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f'--{what[:-1]} .*accepted is UTF-8') as error:
        Selection(**{what: {'site': text} if what == 'labels' else (text,)})
    str(error.value).encode()


@pytest.mark.parametrize('to_ns', [T0, T0 - 1])
def test_an_empty_span_is_refused_with_both_its_ends(to_ns: int) -> None:
    with pytest.raises(ConfigurationError) as error:
        Selection(from_ns=T0, to_ns=to_ns)
    end = '2025-11-23 12:13:20.000 UTC' if to_ns == T0 else '2025-11-23 12:13:19.999 UTC'
    assert str(error.value) == (
        f'the span 2025-11-23 12:13:20.000 UTC to {end} is empty: '
        'the end must be later than the start'
    )


def test_a_nanosecond_is_a_span() -> None:
    assert Selection(from_ns=T0, to_ns=T0 + 1).has_time(T0)


def test_a_selection_is_described_as_the_options_that_make_it() -> None:
    selection = Selection(
        robots=('robot_01', 'robot_02'), missions=('m1',), sensors=('lidar',), topics=('/scan',),
        labels={'site': 'Halle 3'}, from_ns=T0,
    )  # fmt: skip
    assert selection.describe() == (
        '--robot robot_01 --robot robot_02 --mission m1 --sensor lidar --topic /scan '
        '--label site=Halle 3, 2025-11-23 12:13:20.000 UTC to the last message'
    )


def test_the_server_is_asked_for_what_it_can_sort_out() -> None:
    assert Selection(missions=('a',)).condition() == {
        '$eq': ['&mission_id', {'$cast': ['a', 'string']}]
    }
    assert Selection(missions=('1', '2'), labels={'site': 'true'}).condition() == {
        '$and': [
            {'$or': [{'$eq': ['&mission_id', 1]}, {'$eq': ['&mission_id', 2]}]},
            {'$eq': ['&site', True]},
        ]
    }


def test_conditions_are_joined_without_those_that_always_hold() -> None:
    assert all_of(None, None) is None
    assert all_of(None, {'a': 1}) == {'a': 1}
    assert all_of({'a': 1}, None, {'b': 2}) == {'$and': [{'a': 1}, {'b': 2}]}
