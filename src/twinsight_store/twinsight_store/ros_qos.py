"""
QoS profiles of recorded topics: as YAML in the store, as rclpy profiles in nodes.

The YAML is what rosbag2 writes into MCAP channels (``offered_qos_profiles``); see qos_offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
import yaml

from twinsight_store.qos_offers import any_latched, any_offers, offers

REQUEST_DEPTH = 10_000
"""Messages that wait inside DDS while the node's callbacks are busy."""

_INFINITE_NS = 9_223_372_036_854_775_807
_SECOND = 1_000_000_000


def to_yaml(profiles: Sequence[QoSProfile]) -> str:
    """Return the publishers' offered profiles as rosbag2 writes them."""
    if not profiles:
        return ''
    return yaml.safe_dump([_as_dict(profile) for profile in profiles], sort_keys=False)


def request_for(offered: Sequence[QoSProfile]) -> QoSProfile:
    """
    Return the strongest QoS that every offering publisher can serve.

    Reliable, or transient local, only where all publishers are.
    """
    reliable = all(profile.reliability == ReliabilityPolicy.RELIABLE for profile in offered)
    latched = all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=REQUEST_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=(
            DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        ),
    )


def offer_of(text: str) -> QoSProfile:
    """
    Return a publisher's QoS for a topic that was recorded with the given offers.

    Where the publishers differed it offers what each of their subscribers could take:
    reliable if one was, transient local if one was, the deepest history. Empty or unreadable
    text gives the default profile, reliable and volatile.
    """
    given = offers(text)
    if not given:
        return QoSProfile(depth=10)
    reliable = any_offers(given, 'reliability', 'reliable', 1)
    keep_all = any_offers(given, 'history', 'keep_all', 2)
    depth = max(_integer(offer.get('depth')) for offer in given)
    latched = any_latched(given)
    return QoSProfile(
        history=HistoryPolicy.KEEP_ALL if keep_all else HistoryPolicy.KEEP_LAST,
        depth=depth or 10,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def is_reliable(qos: QoSProfile) -> bool:
    """Return whether a publisher of that QoS serves reliable subscribers."""
    return bool(qos.reliability == ReliabilityPolicy.RELIABLE)


def is_latched(qos: QoSProfile) -> bool:
    """Return whether a publisher of that QoS keeps its last messages for late subscribers."""
    return bool(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL)


def is_too_strict(ours: QoSProfile, wanted: QoSProfile) -> bool:
    """Return whether a subscription lacks a publisher that joined; wanted is what suits all."""
    return (
        ours.reliability == ReliabilityPolicy.RELIABLE
        and wanted.reliability == ReliabilityPolicy.BEST_EFFORT
    ) or (
        ours.durability == DurabilityPolicy.TRANSIENT_LOCAL
        and wanted.durability == DurabilityPolicy.VOLATILE
    )


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _as_dict(profile: QoSProfile) -> dict[str, Any]:
    return {
        'history': HistoryPolicy(profile.history).short_key,
        'depth': profile.depth,
        'reliability': ReliabilityPolicy(profile.reliability).short_key,
        'durability': DurabilityPolicy(profile.durability).short_key,
        'deadline': _duration(profile.deadline),
        'lifespan': _duration(profile.lifespan),
        'liveliness': LivelinessPolicy(profile.liveliness).short_key,
        'liveliness_lease_duration': _duration(profile.liveliness_lease_duration),
        'avoid_ros_namespace_conventions': profile.avoid_ros_namespace_conventions,
    }


def _duration(duration: Duration) -> dict[str, int]:
    ns = duration.nanoseconds
    ns = _INFINITE_NS if ns <= 0 else ns
    return {'sec': ns // _SECOND, 'nsec': ns % _SECOND}
