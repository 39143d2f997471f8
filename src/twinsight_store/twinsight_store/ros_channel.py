"""The channel of a topic, as its publishers on the ROS graph describe it."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.qos import QoSProfile
from rclpy.topic_endpoint_info import TopicEndpointInfo

from twinsight_store.channel import Channel, QOS_KEY, TYPE_HASH_KEY
from twinsight_store.message_definition import definition
from twinsight_store.ros_qos import to_yaml


def channel_of(name: str, type_name: str, publishers: Sequence[TopicEndpointInfo]) -> Channel:
    """
    Return the channel of a topic: schema, type hash and what its publishers of that type offer.

    Raises UnknownTypeError where the type's package is not installed.
    """
    encoding, text = definition(type_name)
    different: list[QoSProfile] = []
    for profile in offered_qos(type_name, publishers):
        if profile not in different:
            different.append(profile)
    different.sort(key=str)  # the order in which publishers are found says nothing
    metadata = {QOS_KEY: to_yaml(different)}
    type_hash = str(getattr(publishers[0], 'topic_type_hash', '')) if publishers else ''
    if type_hash.startswith('RIHS'):
        metadata[TYPE_HASH_KEY] = type_hash
    return Channel(name, type_name, encoding, text, 'cdr', metadata)


def offered_qos(type_name: str, publishers: Sequence[TopicEndpointInfo]) -> list[QoSProfile]:
    """Return what the publishers of a type offer."""
    return [each.qos_profile for each in publishers if each.topic_type == type_name]
