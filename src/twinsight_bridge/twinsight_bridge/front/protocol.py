"""
The little of the Foxglove WebSocket protocol that a relay has to know.

Source: https://github.com/foxglove/ws-protocol/blob/main/docs/spec.md. Servers speak
``foxglove.sdk.v1``, older viewers offer only ``foxglove.websocket.v1``; the frames are the same.
"""

from __future__ import annotations

import json
import struct

SERVER_PROTOCOL = 'foxglove.sdk.v1'
VIEWER_PROTOCOLS = (SERVER_PROTOCOL, 'foxglove.websocket.v1')

MESSAGE_DATA = 1
TIME = 2
PLAYBACK_STATE = 5

MOST_SUBSCRIPTION = 2**32 - 1

MOST_REQUESTS = 32
"""Requests of one viewer that are worked on at a time."""

_MESSAGE_HEAD = struct.Struct('<BIQ')
_WARNING, _ERROR = 1, 2
_STATE_DID_SEEK_AT = 14  # opcode u8, status u8, current time u64, speed f32, did seek u8


def subscription_of(frame: bytes) -> int:
    """Return the subscription of a MessageData frame."""
    return int.from_bytes(frame[1:5], 'little')


def message_frame(subscription: int, log_ns: int, data: bytes) -> bytes:
    """Return the MessageData frame of a message."""
    return _MESSAGE_HEAD.pack(MESSAGE_DATA, subscription, max(0, log_ns)) + data


def is_seek(frame: bytes) -> bool:
    """Return whether a frame says that the playback went to another time."""
    return (
        frame[0] == PLAYBACK_STATE
        and len(frame) > _STATE_DID_SEEK_AT
        and frame[_STATE_DID_SEEK_AT] != 0
    )


def status_warning(text: str, place: str = '') -> str:
    """Return the frame that shows a warning; it replaces the last one in the same place."""
    status: dict[str, object] = {'op': 'status', 'level': _WARNING, 'message': text}
    if place:
        status['id'] = place
    return json.dumps(status)


def nothing_but(error: str) -> list[str]:
    """Return the frames of a server that has nothing to show but an error."""
    info = {'op': 'serverInfo', 'name': 'TwinSight', 'capabilities': [], 'supportedEncodings': []}
    return [json.dumps(info), json.dumps({'op': 'status', 'level': _ERROR, 'message': error})]
