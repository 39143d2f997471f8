"""
Labels of a record: which there are, and how any text fits into one.

ReductStore carries labels in HTTP headers: printable ASCII without double quotes. Other
characters are percent-encoded on the way in and decoded on the way out.
"""

from __future__ import annotations

from collections.abc import Mapping
import math
import re
from typing import Any
from urllib.parse import unquote

from twinsight_store.errors import ConfigurationError

ROBOT = 'robot_id'
MISSION = 'mission_id'
SENSOR = 'sensor_type'

CHANNEL = 'channel'
RECEIVE_NS = 'receive_ns'
PUBLISH_NS = 'publish_ns'
STAMP_NS = 'stamp_ns'
SEQUENCE = 'sequence'
END_US = 'end_us'
COUNT = 'count'
PAYLOAD_BYTES = 'payload_bytes'

TECHNICAL = frozenset(
    {CHANNEL, RECEIVE_NS, PUBLISH_NS, STAMP_NS, SEQUENCE, END_US, COUNT, PAYLOAD_BYTES}
)

_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')
_ROBOT_ID = re.compile(r'[A-Za-z0-9_-]+')
_UNSAFE = re.compile(r'[^\x21\x23-\x24\x26-\x7e]|^[&@$]')
_DURATION_PART = re.compile(r'[0-9.-]*(?:[um][0-9.-]*s|[smhd])[0-9.-]*')
_INTEGER = re.compile(r'[+-]?\d{1,18}')


def encode(value: str) -> str:
    """Return a label value that ReductStore accepts and decode() turns back."""

    def escape(match: re.Match[str]) -> str:
        character = match.group()
        if character == ' ' and 0 < match.start() < len(value) - 1:
            return character
        return ''.join(f'%{byte:02X}' for byte in character.encode())

    encoded = _UNSAFE.sub(escape, value)
    duration = encoded and all(map(_DURATION_PART.fullmatch, encoded.split()))
    if duration or not math.isfinite(_number(encoded) or 0):
        # In a condition the server takes "1h", and "m1", for a duration; "nan" equals nothing.
        return f'%{ord(encoded[0]):02X}{encoded[1:]}'
    return encoded


def decode(value: str) -> str:
    """Return the text that encode() made a label value of."""
    return unquote(value) if '%' in value else value


def _number(text: str) -> float | None:
    """Return the number that the server takes a label for, None where it stays text."""
    try:
        return float('text' if '_' in text else text)  # only Python reads 1_000
    except ValueError:
        return None


def user_labels(record_labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that people set, decoded, without the layout's own."""
    return {
        name: decode(value) for name, value in record_labels.items() if name not in TECHNICAL
    }


def check_robot_id(value: str) -> str:
    """Return the robot's id; raise ConfigurationError where it cannot name an entry."""
    if not _ROBOT_ID.fullmatch(value):
        raise ConfigurationError(
            f'robot_id {value!r}: accepted are letters, digits, "_" and "-", at least one'
        )
    return value


def check_label_name(name: str) -> str:
    """Return a label's name; raise ConfigurationError where it is taken or malformed."""
    if name in TECHNICAL or name in (ROBOT, MISSION, SENSOR):
        raise ConfigurationError(f'label {name!r} is set by TwinSight itself: choose another name')
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f'label {name!r}: accepted are letters, digits and "_", not a digit first'
        )
    return name


def record_labels(
    robot_id: str, mission_id: str, sensor_type: str = '', extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """
    Return the encoded labels of a robot's records; empty values are left out.

    Raises ConfigurationError where a name cannot be used.
    """
    values = {ROBOT: check_robot_id(robot_id), MISSION: mission_id, SENSOR: sensor_type}
    for name, value in (extra or {}).items():
        values[check_label_name(name)] = value
    return {name: encode(value) for name, value in values.items() if value}


def condition(name: str, value: str) -> dict[str, Any]:
    """
    Return a ReductStore condition that holds for every record whose label has the value.

    The server compares what looks like a number as a number (``042`` equals ``42``), so the
    condition may hold for more records: whoever reads them compares the text again.
    """
    encoded = encode(value)
    if _INTEGER.fullmatch(encoded):
        return {'$eq': [f'&{name}', int(encoded)]}
    if encoded in ('true', 'false'):
        return {'$eq': [f'&{name}', encoded == 'true']}
    number = _number(encoded)
    if number is not None:
        return {'$eq': [f'&{name}', number]}
    return {'$eq': [f'&{name}', {'$cast': [encoded, 'string']}]}
