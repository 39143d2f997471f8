"""The simulated robot over DDS and the bridge, in viewers that people use."""

from __future__ import annotations

from hashlib import sha256
import json
from pathlib import Path
from typing import Any

from pytest_ros import RosDomain, wait_until
from pytest_viewers import Connect, Show
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from twinsight_viewers.client import WEBSOCKET_V1

from twinsight_sim.topics import Delivery, TOPICS, type_name
from twinsight_store.message_types import message_class

LAYOUT = Path(__file__).parents[4] / 'config' / 'foxglove' / 'operations.json'
SENT = {f'/{topic.name.lstrip("/")}': topic for topic in TOPICS.values()}
TYPES = {name: type_name(topic) for name, topic in SENT.items()}
LOSSY = {name for name, topic in SENT.items() if topic.delivery is Delivery.SENSOR}
BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
TRANSIENT, VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE
LATCHED = {name for name, topic in SENT.items() if topic.delivery is Delivery.LATCHED}
START = '/robot_description'  # who subscribes late gets it too
RATES = {'camera': 10.0, 'imu': 50.0, 'odom': 20.0, 'tf': 20.0}  # seconds of it find room in DDS


def same(value: Any, message: Any) -> bool:
    """Tell whether decoded fields are those of a message, or of a part of it."""
    if hasattr(message, 'get_fields_and_field_types'):
        names = message.get_fields_and_field_types()
        return set(value) == set(names) and all(
            same(value[name], getattr(message, name)) for name in names
        )
    if isinstance(value, list):
        return len(value) == len(message) and all(map(same, value, message))
    if isinstance(value, bytes):
        return value == bytes(message)
    if isinstance(message, bytes):
        return bytes((value,)) == message
    return bool(value == message or (isinstance(message, float) and str(value) == str(message)))


class Listener:
    """
    What a node hears on topics of the robot, as it comes off the wire.

    heard  topic → its messages
    """

    def __init__(self, ros: RosDomain) -> None:
        self.heard = {topic: list[bytes]() for topic in TYPES}
        self._node: Node = ros.node('listener')
        self._subscriptions: list[Any] = []
        ros.serve(self._node)

    def listen(self, *topics: str) -> None:
        for topic in topics:
            reliability = BEST_EFFORT if topic in LOSSY else RELIABLE
            durability = TRANSIENT if topic in LATCHED else VOLATILE
            qos = QoSProfile(depth=1000, reliability=reliability, durability=durability)
            self._subscriptions.append(self._node.create_subscription(
                message_class(TYPES[topic]), topic, self.heard[topic].append, qos, raw=True
            ))

    def is_connected_beside_another(self) -> bool:
        """Tell whether all its topics have a publisher, and a second subscriber."""
        return all(
            each.get_publisher_count() and self._node.count_subscribers(each.topic_name) > 1
            for each in self._subscriptions
        )


def test_a_viewer_decodes_every_message_of_the_robot(
    ros: RosDomain, bridge_url: str, node_viewer: Connect, tmp_path: Path
) -> None:
    viewer = node_viewer(bridge_url)
    viewer.wait_open()
    first = set(TYPES) - {START}
    viewer.subscribe('|'.join(first))
    listener, ledger = Listener(ros), tmp_path / 'ledger'
    heard = listener.heard
    listener.listen(*first)
    sim = ros.start(
        'twinsight_sim', 'sim_robot', '--ros-args', '-p', 'duration:=4.0',
        '-p', f'ledger:={ledger}', '-p', 'wait_for_subscribers:=60.0',
        *(part for name, rate in RATES.items() for part in ('-p', f'rates.{name}:={rate}')),
    )  # fmt: skip
    viewer.wait_for_channels(*TYPES)
    wait_until(listener.is_connected_beside_another)
    viewer.subscribe(START)  # the robot waits for that
    listener.listen(START)
    sim.wait_for('messages published', 60.0)
    reliable = set(TYPES) - LOSSY
    viewer.wait_for(
        lambda: all(
            viewer.of(topic) and heard[topic]
            and viewer.of(topic)[-1].sha256 == sha256(heard[topic][-1]).hexdigest()
            for topic in reliable
        ),
        f'last message of each of {reliable}',
    )  # fmt: skip
    assert viewer.errors == []
    totals = json.loads(ledger.read_text().splitlines()[-1])['totals']
    for topic, kind in TYPES.items():
        seen, published = viewer.of(topic), totals[topic]['count']
        data = {sha256(payload).hexdigest(): payload for payload in heard[topic]}
        both = [message for message in seen if message.sha256 in data]
        # DDS may begin to deliver a moment after the robot, to us even later.
        assert 0.9 * published <= len(seen) <= published
        assert len(both) >= published / 2
        assert topic in LOSSY or both == seen[-len(both):]
        for message in both:
            payload = data[message.sha256]
            assert message.size == len(payload)
            assert same(message.fields, deserialize_message(payload, message_class(kind)))


def test_studio_shows_the_robot_live(
    ros: RosDomain, bridge_url: str, node_viewer: Connect, studio: Show
) -> None:
    ros.start('twinsight_sim', 'sim_robot')
    viewer = node_viewer(bridge_url, subprotocols=(WEBSOCKET_V1,))
    viewer.wait_for_channels(*TYPES)
    shown = studio(bridge_url, LAYOUT, width=1200, height=760)
    shown.wait_for_text('Indicator!state', 'DRIVING')
    shown.wait_for_text('DiagnosticSummary!all', 'navigation')
    shown.wait_for_pictures(
        lambda seen: seen['Image!front'].colours > 2000
        and seen['3D!map'].share_of(224, 224, 224) > 0.01  # walls and shelves: latched
        and seen['3D!map'].share_of(255, 48, 48) > 0.0005  # the scan
        and seen['Plot!drive'].share_of(78, 152, 226) > 0.001,  # the line of the speed
        'map, scan, camera and speed',
    )
    shown.wait_changed('Image!front', '3D!map', 'Plot!drive')
    assert shown.problems() == []
