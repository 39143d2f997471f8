"""Bytes of messages: equal for equal messages, and the same message when read again."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from nav_msgs.msg import OccupancyGrid
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import String

from twinsight_sim.cdr import find_gaps, Packer
from twinsight_sim.topics import TOPICS


def test_every_message_of_the_robot_reads_back_unchanged(record):
    for item in record(1.1).sent:
        kind = TOPICS[item.key].type
        message = deserialize_message(item.data, kind)
        assert len(item.data) % 4 == 0
        assert Packer(False).pack(message) == item.data


@pytest.mark.parametrize(('text', 'size'), [('abc', 12), ('abcd', 16), ('', 12)])
def test_messages_are_filled_up_to_four_bytes(text, size):
    data = Packer(False).pack(String(data=text))
    assert len(data) == size
    assert deserialize_message(data, String).data == text


def test_gaps_are_where_alignment_leaves_them():
    grid = OccupancyGrid()
    grid.header.frame_id = 'map'
    # 4 encapsulation, 8 stamp, 4 + 4 frame, 8 load time, 12 resolution and size, then doubles
    assert find_gaps(OccupancyGrid, serialize_message(grid)) == [(40, 44)]


@pytest.mark.parametrize('name', ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'abcdef', 'abcdefg'])
def test_gaps_are_found_whatever_the_lengths(name):
    status = DiagnosticStatus(name=name, values=[KeyValue(key=name), KeyValue(value=name)])
    for message in (DiagnosticArray(status=[status, status]), CameraInfo(distortion_model=name)):
        data = serialize_message(message)
        assert all(0 < end - start < 8 for start, end in find_gaps(type(message), data))
        assert deserialize_message(Packer(False).pack(message), type(message)) == message


def test_bytes_of_another_type_are_refused():
    with pytest.raises(ValueError, match='bytes are fields'):
        find_gaps(OccupancyGrid, serialize_message(OccupancyGrid()) + b'\0')
