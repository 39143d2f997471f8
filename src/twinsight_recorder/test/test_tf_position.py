"""Where the robot is, from the transforms of several nodes."""

import math

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
import pytest
from rclpy.serialization import serialize_message
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from twinsight_recorder.metrics.rule_settings import MetricRuleSettings
from twinsight_recorder.metrics.rules import MetricRules
from twinsight_sim.body import quaternion
from twinsight_sim.drive import Motion, Pose
from twinsight_sim.messages import Messages
from twinsight_store.metrics.columns import SampleColumns

TYPE = 'tf2_msgs/msg/TFMessage'
SECOND_NS = 1_000_000_000


class Tree:
    """Transforms on their way into the metrics of one rule of kind tf."""

    def __init__(self, namespace='/', **rule):
        self.problems = []
        self.rules = MetricRules(
            {'position': MetricRuleSettings(kind='tf', **rule)}, (), self.problems.append,
            namespace,
        )
        self.columns = SampleColumns(self.rules.names)
        self._extractors = {}

    def tell(self, data, topic='/tf', receive_ns=0):
        """Return (time, x, y, z, yaw) of the sample that the bytes of a message make, or None."""
        if topic not in self._extractors:
            assert self.rules.wants(topic, TYPE)
            self._extractors[topic] = self.rules.extractor(topic, TYPE)
        self._extractors[topic].take(data, receive_ns, self.columns)
        batch = self.columns.sealed('robot_05', 'A')
        if not len(batch):
            return None
        assert [each.name for each in batch.series] == [
            f'position.{name}' for name in ('x', 'y', 'z', 'yaw')]
        [time_ns] = set(batch.times.tolist())
        return time_ns, *batch.values.tolist()

    def see(self, *transforms, topic='/tf', receive_ns=0):
        data = serialize_message(TFMessage(transforms=list(transforms)))
        return self.tell(data, topic, receive_ns)


def frame(parent, child, xyz=(0.0, 0.0, 0.0), rpy=(0.0, 0.0, 0.0), stamp=0):
    x, y, z, w = quaternion(*rpy)
    return TransformStamped(
        header=Header(frame_id=parent, stamp=Time(sec=stamp)), child_frame_id=child,
        transform=Transform(
            translation=Vector3(**dict(zip('xyz', xyz, strict=True))),
            rotation=Quaternion(x=x, y=y, z=z, w=w),
        ),
    )


def test_the_simulated_robot_is_where_it_truly_is():
    motion = Motion(Pose(3.0, 4.0, 0.5), Pose(1.0, -2.0, 2.5), 1.2, 0.3, -0.25)
    found = Tree().tell(Messages('', None).tf(SECOND_NS, motion), receive_ns=7)
    assert found == pytest.approx((7, 3.0, 4.0, 0.0, 0.5))


def test_frames_told_on_several_topics_hang_together():
    tree = Tree(parent='map', child='lidar')
    assert tree.see(frame('base_link', 'lidar', (0.5, 0.0, 0.2)), topic='/tf_static') is None
    assert tree.see(frame('map', 'odom', (10.0, 0.0, 0.0), (0.0, 0.0, math.pi / 2))) is None
    found = tree.see(frame('odom', 'base_link', (2.0, 0.0, 0.0), (0.0, 0.0, math.pi / 2)))
    assert found == pytest.approx((0, 9.5, 2.0, 0.2, math.pi))


def test_a_frame_may_hang_on_another_branch():
    tree = Tree(parent='camera', child='lidar')
    tree.see(frame('base', 'camera', (1.0, 0.0, 0.0), (0.0, 0.0, math.pi / 2)), receive_ns=0)
    found = tree.see(frame('base', 'lidar', (1.0, 2.0, 3.0)), receive_ns=SECOND_NS)
    assert found == pytest.approx((SECOND_NS, 2.0, 0.0, 3.0, -math.pi / 2))


def test_the_way_may_lead_against_the_tree():
    tree = Tree(parent='base_link', child='map')
    found = tree.see(frame('map', 'base_link', (3.0, 4.0, 0.0), (0.0, 0.0, math.pi / 2)))
    assert found == pytest.approx((0, -4.0, 3.0, 0.0, -math.pi / 2))


def test_tilted_frames_are_put_together_as_matrices_are():
    tree = Tree(parent='a', child='c')
    tree.see(frame('a', 'b', (1.0, 2.0, 3.0), (0.3, -0.4, 0.5)))
    found = tree.see(frame('b', 'c', (0.5, -1.0, 2.0), (-0.2, 0.1, 1.0)), receive_ns=SECOND_NS)
    first, second = matrix((1.0, 2.0, 3.0), (0.3, -0.4, 0.5)), matrix(
        (0.5, -1.0, 2.0), (-0.2, 0.1, 1.0))
    product = [
        [sum(first[i][k] * second[k][j] for k in range(4)) for j in range(4)] for i in range(4)
    ]
    expected = (*(row[3] for row in product[:3]), math.atan2(product[1][0], product[0][0]))
    assert found[1:] == pytest.approx(expected)


def matrix(xyz, rpy):
    (sr, sp, sy), (cr, cp, cy) = map(math.sin, rpy), map(math.cos, rpy)
    return [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, xyz[0]],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr, xyz[1]],
        [-sp, cp * sr, cp * cr, xyz[2]],
        [0.0, 0.0, 0.0, 1.0],
    ]


def test_samples_come_at_the_rate_of_the_rule():
    tree = Tree(rate=10.0)
    times = [
        found[0] for step in range(200)
        if (found := tree.see(frame('map', 'base_link'), receive_ns=step * SECOND_NS // 100))
    ]
    # A tenth of a period early is in time, so messages at 10 ms make it 90, 190, 290, ... ms.
    assert times == [0, *(step * SECOND_NS // 10 - SECOND_NS // 100 for step in range(1, 21))]
    counts = tree.columns.counts
    assert (counts.values, counts.samples, counts.rate_limited) == (800, 84, 716)


def test_a_frame_that_does_not_matter_makes_no_sample():
    tree = Tree()
    assert tree.see(frame('map', 'base_link')) is not None
    assert tree.see(frame('base_link', 'arm'), receive_ns=SECOND_NS) is None


def test_the_newest_stamp_of_the_way_is_the_time_where_the_rule_says_so():
    tree = Tree(time='stamp')
    tree.see(frame('odom', 'base_link', stamp=20))
    assert tree.see(frame('map', 'odom', stamp=10), receive_ns=5)[0] == 20 * SECOND_NS


def test_a_frame_that_gets_another_parent_is_found_there():
    tree = Tree()
    tree.see(frame('map', 'base_link', (1.0, 0.0, 0.0)), frame('map', 'odom', (5.0, 0.0, 0.0)))
    found = tree.see(frame('odom', 'base_link', (2.0, 0.0, 0.0)), receive_ns=SECOND_NS)
    assert found == pytest.approx((SECOND_NS, 7.0, 0.0, 0.0, 0.0))


def test_frames_that_run_in_a_circle_are_no_way():
    tree = Tree()
    assert tree.see(frame('a', 'base_link'), frame('b', 'a'), frame('a', 'b')) is None


def test_old_names_with_a_slash_are_the_same_frames():
    assert Tree().see(frame('/map', '/base_link', (1.0, 0.0, 0.0)))[1] == 1.0


def test_a_robot_may_have_transforms_of_its_own():
    tree = Tree(namespace='/robot_05')
    assert tree.see(frame('map', 'base_link'), topic='/robot_05/tf') is not None
    assert not tree.rules.wants('/robot_06/tf', TYPE)


def test_frames_that_lack_are_told_once_with_those_that_there_are():
    tree = Tree(parent='map', child='base_link')
    for second in range(10):
        tree.see(frame('odom', 'base_footprint'), receive_ns=second * SECOND_NS)
        assert len(tree.problems) == (second >= 5)
    assert tree.problems == [
        'rule position: no transforms lead from map to base_link; '
        'the frames are base_footprint, odom'
    ]


def test_a_damaged_message_is_counted_and_told_once():
    tree = Tree()
    data = serialize_message(TFMessage(transforms=[frame('map', 'base_link')]))
    for length in range(len(data)):
        assert tree.tell(data[:length]) is None
    assert tree.columns.counts.unreadable == len(data)
    [line] = tree.problems
    assert line.startswith('topic /tf: a message cannot be read (not a tf2_msgs/msg/TFMessage')
    assert tree.tell(data) is not None


def test_a_rotation_of_zeros_gives_no_angle():
    broken = frame('map', 'base_link', (1.0, 2.0, 0.0))
    broken.transform.rotation = Quaternion(w=0.0)
    assert math.isnan(Tree().see(broken)[4])
