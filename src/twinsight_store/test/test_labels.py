from __future__ import annotations

import pytest

from twinsight_store import labels as label
from twinsight_store.errors import ConfigurationError

VALUES = [
    'plain', 'two words', ' leading', 'trailing ', ' ', '   ', 'a,b', ',', 'say "hi"', '100%',
    '%20', '50%2C', '&ref', '@meta', '$op', 'a&b@c$d', 'Früh Schicht', '日本', '🤖', 'tab\there',
    'line\nbreak', 'nul\0', '042', '1e3', '-7', 'true', 'nan', '1h', "it's", 'a=b', '{"x": [1]}',
]  # fmt: skip


@pytest.mark.parametrize('value', VALUES)
def test_any_text_comes_back_from_a_label(value: str) -> None:
    assert label.decode(label.encode(value)) == value


@pytest.mark.parametrize('value', VALUES)
def test_an_encoded_value_is_printable_ascii_without_quotes_that_the_server_takes_literally(
    value: str,
) -> None:
    encoded = label.encode(value)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert '"' not in encoded
    assert encoded == encoded.strip()
    assert encoded[0] not in '&@$'


@pytest.mark.parametrize('value', ['plain', 'two words', 'a,b', '042', "it's", 'a&b@c$d'])
def test_what_needs_no_escape_stays_readable_in_the_store(value: str) -> None:
    assert label.encode(value) == value


@pytest.mark.parametrize(
    ('value', 'encoded'),
    [
        ('1h', '%31h'), ('m1', '%6D1'), ('1h 30m', '%31h 30m'), ('nan', '%6Ean'),
        ('-inf', '%2Dinf'), ('1e999', '%31e999'),
    ],
)  # fmt: skip
def test_what_the_server_would_compare_as_a_duration_or_with_nothing_is_escaped(
    value: str, encoded: str
) -> None:
    assert label.encode(value) == encoded
    assert label.decode(encoded) == value


def test_different_values_never_share_an_encoding() -> None:
    assert len({label.encode(value) for value in VALUES}) == len(VALUES)


def test_records_carry_robot_mission_sensor_and_the_users_labels_encoded() -> None:
    assert label.record_labels('robot_01', 'Früh', 'lidar', {'site': 'a "b"'}) == {
        'robot_id': 'robot_01',
        'mission_id': 'Fr%C3%BCh',
        'sensor_type': 'lidar',
        'site': 'a %22b%22',
    }


def test_empty_values_are_left_out() -> None:
    assert label.record_labels('r', '', '', {'site': ''}) == {'robot_id': 'r'}


def test_people_see_their_labels_decoded_and_without_the_layouts_own() -> None:
    assert label.user_labels(
        {'robot_id': 'r', 'mission_id': 'Fr%C3%BCh', 'site': 'x', 'channel': 'ab', 'end_us': '5',
         'count': '1', 'receive_ns': '5', 'publish_ns': '5', 'stamp_ns': '5', 'sequence': '1'}
    ) == {'robot_id': 'r', 'mission_id': 'Früh', 'site': 'x'}  # fmt: skip


@pytest.mark.parametrize('robot_id', ['', 'a b', 'a/b', 'ü', 'robot.1', 'r\n'])
def test_a_robot_id_that_cannot_name_an_entry_is_refused(robot_id: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        label.check_robot_id(robot_id)
    assert f'robot_id {robot_id!r}' in str(error.value)
    assert 'letters, digits, "_" and "-"' in str(error.value)


@pytest.mark.parametrize('robot_id', ['robot_01', 'AGV-7', '7'])
def test_ordinary_robot_ids_are_accepted(robot_id: str) -> None:
    assert label.check_robot_id(robot_id) == robot_id


@pytest.mark.parametrize('name', ['robot_id', 'mission_id', 'sensor_type', 'end_us', 'channel'])
def test_a_label_cannot_take_a_name_of_the_layout(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"label '{name}' is set by TwinSight itself"):
        label.check_label_name(name)


@pytest.mark.parametrize('name', ['', '1st', 'a-b', 'a b', 'ü', 'a\n'])
def test_a_malformed_label_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match='letters, digits and "_", not a digit first'):
        label.check_label_name(name)


@pytest.mark.parametrize(
    ('value', 'condition'),
    [
        ('42', {'$eq': ['&site', 42]}),
        ('042', {'$eq': ['&site', 42]}),
        ('-7', {'$eq': ['&site', -7]}),
        ('9' * 18, {'$eq': ['&site', 10**18 - 1]}),
        ('true', {'$eq': ['&site', True]}),
        ('false', {'$eq': ['&site', False]}),
        ('True', {'$eq': ['&site', {'$cast': ['True', 'string']}]}),
        ('1h', {'$eq': ['&site', {'$cast': ['%31h', 'string']}]}),
        ('1e3', {'$eq': ['&site', 1000.0]}),
        ('1_000', {'$eq': ['&site', {'$cast': ['1_000', 'string']}]}),
        ('nan', {'$eq': ['&site', {'$cast': ['%6Ean', 'string']}]}),
        ('9' * 19, {'$eq': ['&site', 1e19]}),
        ('Früh', {'$eq': ['&site', {'$cast': ['Fr%C3%BCh', 'string']}]}),
        ('&x', {'$eq': ['&site', {'$cast': ['%26x', 'string']}]}),
    ],
)
def test_a_value_is_asked_for_as_the_server_reads_it(value: str, condition: object) -> None:
    assert label.condition('site', value) == condition
