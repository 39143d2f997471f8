from __future__ import annotations

import base64
from dataclasses import replace
import json

import pytest

from twinsight_store.channel import Channel
from twinsight_store.errors import RecordError


def with_schema(text: str, encoding: str = 'ros2msg') -> Channel:
    return Channel('/t', 'pkg/msg/Type', encoding, text.encode())


@pytest.mark.parametrize(
    'schema',
    [
        'std_msgs/Header header\nuint8 x\n',
        'std_msgs/msg/Header header',
        'Header header',
        '# about\n\n   \nstd_msgs/Header   header   # stamp\n',
        'uint8 UNKNOWN=0\nuint8 FULL=1\nstd_msgs/Header header\n',
        '# as in BatteryState\nuint8 UNKNOWN = 0\nuint8 FULL =1\nstd_msgs/Header header\n',
        'string NAME="a # b"\nstd_msgs/Header header\n',
    ],
)
def test_a_type_whose_first_field_is_a_header_is_stamped(schema: str) -> None:
    assert with_schema(schema).stamped


@pytest.mark.parametrize(
    'schema',
    [
        '',
        'string data\n',
        'uint8 x\nstd_msgs/Header header\n',
        'uint8 x 5\nstd_msgs/Header header\n',
        'string name "a=b"\nstd_msgs/Header header\n',
        'std_msgs/Header[] headers\n',
        '# std_msgs/Header header\nuint8 x\n',
        'uint8 ONLY=1\n' + '=' * 80 + '\nMSG: std_msgs/Header\nstd_msgs/Header header\n',
        'other_msgs/Header header\n',
    ],
)
def test_a_type_whose_first_field_is_something_else_is_not_stamped(schema: str) -> None:
    assert not with_schema(schema).stamped


def test_a_definition_in_another_language_is_not_taken_for_a_message_file() -> None:
    assert not with_schema('std_msgs/Header header', 'ros2idl').stamped


def test_a_channel_comes_back_from_its_attachment(laser: Channel) -> None:
    stored = json.loads(json.dumps(laser.to_attachment()))
    again = Channel.from_attachment(stored, 'r/scan')
    assert again == laser
    assert again.id == laser.id == stored['channel']
    assert again.offered_qos == '- depth: 5\n'


def test_a_binary_definition_comes_back_exactly() -> None:
    channel = Channel('/t', 'T', 'protobuf', b'\xff\x00\xfe', 'protobuf')
    stored = json.loads(json.dumps(channel.to_attachment()))
    assert 'schema' not in stored
    assert Channel.from_attachment(stored, 'r/t') == channel


def test_a_channel_without_definition_comes_back() -> None:
    channel = Channel('/t', 'pkg/msg/Unknown')
    assert Channel.from_attachment(channel.to_attachment(), 'r/t') == channel


def test_the_attachment_has_the_keys_of_the_stores_own_ros_tools(laser: Channel) -> None:
    attachment = laser.to_attachment()
    assert attachment['encoding'] == 'cdr'
    assert attachment['topic'] == '/scan'
    assert attachment['schema_name'] == 'sensor_msgs/msg/LaserScan'
    assert attachment['schema'] == laser.schema.decode()
    assert base64.b64decode(attachment['schema_base64']) == laser.schema


@pytest.mark.parametrize(
    'definition',
    [
        {'schema': 'std_msgs/Header header\n'},
        {'schema_base64': base64.b64encode(b'std_msgs/Header header\n').decode()},
        {'schema': 'std_msgs/Header header\n',
         'schema_base64': base64.b64encode(b'std_msgs/Header header\n').decode()},
    ],
)  # fmt: skip
def test_the_attachment_of_another_ros_recorder_is_read(definition: dict[str, str]) -> None:
    channel = Channel.from_attachment({'encoding': 'cdr', 'topic': '/t', **definition}, 'r/t')
    assert channel.schema == b'std_msgs/Header header\n'
    assert channel.schema_encoding == 'ros2msg'
    assert channel.message_encoding == 'cdr'
    assert channel.stamped


@pytest.mark.parametrize(
    'attachment',
    [
        {},
        {'schema': 'x'},
        {'topic': '/t', 'schema': 5},
        {'topic': '/t', 'schema_base64': 'a'},
        {'topic': '/t', 'metadata': 7},
        ['not', 'an', 'object'],
        None,
    ],
)
def test_an_attachment_that_cannot_be_read_names_its_entry(attachment: object) -> None:
    with pytest.raises(RecordError, match=r'^r/t: its \$ros attachment cannot be read'):
        Channel.from_attachment(attachment, 'r/t')  # type: ignore[arg-type]


def test_channels_differ_where_anything_that_a_reader_needs_differs(laser: Channel) -> None:
    others = [
        replace(laser, topic='/scan2'),
        replace(laser, type_name='sensor_msgs/msg/PointCloud2'),
        replace(laser, schema=laser.schema + b'# new'),
        replace(laser, schema_encoding='ros2idl'),
        replace(laser, message_encoding='ros1'),
        replace(laser, metadata={**laser.metadata, 'offered_qos_profiles': '- depth: 6\n'}),
    ]
    assert len({channel.id for channel in [laser, *others]}) == 1 + len(others)


def test_the_order_of_metadata_makes_no_other_channel(laser: Channel) -> None:
    turned = replace(laser, metadata=dict(reversed(laser.metadata.items())))
    assert turned == laser
    assert turned.id == laser.id
    assert len({turned, laser}) == 1


def test_a_channels_id_never_changes_between_versions(laser: Channel) -> None:
    """Records in existing stores name their channels by it."""
    assert laser.id == '8c2d77843bee'
