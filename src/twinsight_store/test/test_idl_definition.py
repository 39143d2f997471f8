"""Definitions of types of which only an .idl file is installed, and of services."""

import pytest
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from twinsight_store.channel import Channel
from twinsight_store.decoder import decoder_of
from twinsight_store.message_definition import definition
from twinsight_store.message_types import UnknownTypeError
from twinsight_store.service_types import service_definition

IDL = """#include "std_msgs/msg/Header.idl"
module idl_msgs { module msg { struct Stamped { std_msgs::msg::Header header; }; }; };
"""


@pytest.fixture
def idl_package(tmp_path, monkeypatch):
    """Install a package with one message of which there is an .idl file only."""
    index = tmp_path / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    (index / 'idl_msgs').touch()
    messages = tmp_path / 'share' / 'idl_msgs' / 'msg'
    messages.mkdir(parents=True)
    (messages / 'Stamped.idl').write_text(IDL)
    (messages / 'Broken.idl').write_text('#include "absent_msgs/msg/Nothing.idl"')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path), prepend=':')
    return 'idl_msgs'


def test_what_an_idl_file_includes_stands_behind_it(idl_package):
    encoding, text = definition(f'{idl_package}/msg/Stamped')
    assert encoding == 'ros2idl'
    named = [line for line in text.decode().splitlines() if line.startswith('IDL: ')]
    assert named == [
        'IDL: idl_msgs/msg/Stamped', 'IDL: std_msgs/msg/Header', 'IDL: builtin_interfaces/msg/Time'
    ]
    assert text.decode().startswith('=' * 80)
    channel = Channel('/x', 'idl_msgs/msg/Stamped', encoding, text, 'cdr')
    decoded = decoder_of(channel).decode(serialize_message(Header(frame_id='map')))
    assert decoded.header.frame_id == 'map'


def test_a_part_that_is_not_installed_is_named(idl_package):
    with pytest.raises(UnknownTypeError, match='absent_msgs'):
        definition(f'{idl_package}/msg/Broken')


def test_a_service_has_two_definitions_with_their_parts():
    request, response = service_definition('nav_msgs/srv/GetPlan')
    assert request.decode().count('PoseStamped goal') == 1
    assert b'MSG: geometry_msgs/PoseStamped' in request
    assert b'Path plan' in response and b'float32 tolerance' not in response
    assert b'MSG: nav_msgs/Path' in response
    assert service_definition('std_srvs/srv/Empty') == (b'', b'')
    with pytest.raises(UnknownTypeError, match='no srv/Nothing.srv'):
        service_definition('std_srvs/srv/Nothing')
    with pytest.raises(UnknownTypeError, match='not installed here'):
        service_definition('absent_msgs/srv/Nothing')
