"""Definitions of standard message types, for old bags that hold none."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore


def standard_definition(type_name: str, type_hash: str) -> str:
    """
    Return the ``ros2msg`` text of a type that comes with ROS 2; empty where it is not certain.

    type_hash  REP-2011 hash of the recorded type, or empty where the bag does not hold it
    Certain is a type with that hash; without a hash, one that has the same fields in every
    release of ROS 2.
    """
    hashes = {}
    for store in _releases():
        if type_name in store.fielddefs:
            hashes[store.hash_rihs01(type_name)] = store  # the newest release comes last
    if type_hash:
        chosen = hashes.get(type_hash)
    else:
        chosen = next(iter(hashes.values())) if len(hashes) == 1 else None
    return chosen.generate_msgdef(type_name, ros_version=2)[0] if chosen else ''


@cache
def _releases() -> list[Typestore]:
    from rosbags.typesys import get_typestore, Stores  # takes long, and few bags need it

    return [get_typestore(store) for store in Stores if store.name.startswith('ROS2_')]
