"""Bytes of messages: equal for equal messages, and the same message when read again."""

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import OccupancyGrid
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from twinsight_sim.cdr import find_gaps, Packer, Template
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


@pytest.mark.parametrize('child', ['', 'a', 'ab', 'abc', 'abcd'])
def test_a_template_sets_every_stamp_and_every_double(child):
    def message(sec, nanosec, first):
        made = TFMessage(transforms=[TransformStamped(child_frame_id=child) for _ in range(2)])
        for transform in made.transforms:
            transform.header.stamp = Time(sec=sec, nanosec=nanosec)
            shift, turn = transform.transform.translation, transform.transform.rotation
            shift.x, shift.y, shift.z, turn.x, turn.y, turn.z, turn.w = (
                float(first + k) for k in range(7))
            first += 7
        return made

    data = Template(message(0, 0, 0)).fill(5_000_000_007, range(1, 15))
    assert data == Packer(False).pack(message(5, 7, 1))


def test_a_template_without_numbers_leaves_them():
    info = CameraInfo(k=[float(k) for k in range(9)], distortion_model='plumb_bob')
    filled = deserialize_message(Template(info).fill(3_000_000_001), CameraInfo)
    info.header.stamp = Time(sec=3, nanosec=1)
    assert filled == info


@pytest.mark.parametrize('size', [0, 1, 2, 3, 4, 1000])
def test_a_template_ends_in_bytes_of_any_length(size):
    template = Template(CompressedImage(format='jpeg'))
    template.fill(0, end=b'longer or shorter, the one before leaves nothing')
    image = CompressedImage(format='jpeg', data=bytes(range(250)) * 4)
    image.data = image.data[:size]
    assert template.fill(0, end=image.data.tobytes()) == Packer(False).pack(image)


def test_bytes_of_another_type_are_refused():
    with pytest.raises(ValueError, match='bytes are fields'):
        find_gaps(OccupancyGrid, serialize_message(OccupancyGrid()) + b'\0')
