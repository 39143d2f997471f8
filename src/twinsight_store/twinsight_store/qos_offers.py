"""
What publishers offered, as the YAML of rosbag2 says it; read without ROS.

A list with one profile a publisher. Older rosbag2 wrote policies as numbers, newer ones as words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

Offer = dict[str, Any]


def offers(text: str) -> list[Offer]:
    """Return the profiles; none where the text is empty or unreadable."""
    try:
        return [offer for offer in yaml.safe_load(text) or [] if isinstance(offer, dict)]
    except yaml.YAMLError:
        return []


def any_offers(given: Sequence[Offer], policy: str, word: str, number: int) -> bool:
    """Return whether one of the profiles has a policy, by its word or its number."""
    return any(str(offer.get(policy)).lower() in (word, str(number)) for offer in given)


def any_latched(given: Sequence[Offer]) -> bool:
    """Return whether one of the publishers kept its last messages for late subscribers."""
    return any_offers(given, 'durability', 'transient_local', 1)
