"""GET /records/content: one message, as it is, as JSON, or as a picture."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from twinsight_bridge.web.accepted import preferred
from twinsight_bridge.web.errors import NOT_FOUND, NotShownError, Problem, RESPONSES
from twinsight_bridge.web.header_text import header_text
from twinsight_bridge.web.message_image import IMAGE_TYPES, jpeg
from twinsight_bridge.web.message_json import message_json, USUAL_ARRAY
from twinsight_bridge.web.query_errors import query_error, query_errors
from twinsight_bridge.web.record_pages import latest_message, message_at, Numbered
from twinsight_bridge.web.records import CONTENT_PATH, record_of
from twinsight_bridge.web.selection_query import time_of
from twinsight_bridge.web.stores import Stores, StoresOfApp
from twinsight_bridge.web.streaming import while_connected
from twinsight_bridge.web.topic_query import RobotQuery, topic_selection, TopicQuery
from twinsight_store.message import Message
from twinsight_store.selection import Selection
from twinsight_store.times import ACCEPTED

JSON, CDR, JPEG = 'application/json', 'application/cdr', 'image/jpeg'

EXPOSED = (
    'X-Topic', 'X-Robot-Id', 'X-Mission-Id', 'X-Type-Name', 'X-Channel', 'X-Receive-Ns',
    'X-Publish-Ns', 'X-Stamp-Ns', 'X-Sequence', 'X-Schema-Encoding',
)
"""Headers that a script on another page's site may read."""

_FORMATS = {'json': JSON, 'cdr': CDR, 'jpeg': JPEG}
_LARGEST_NS = (1 << 63) - 2
_FOR_EVER = 'private, max-age=31536000, immutable'

Format = Annotated[
    Literal['json', 'cdr', 'jpeg'] | None,
    Query(description='Goes before the header `Accept`; without both it is JSON.'),
]

router = APIRouter(tags=['records'], responses=RESPONSES)


@router.get(
    CONTENT_PATH, response_class=Response,
    responses={
        200: {
            'description': (
                'The message. Of CDR and JPEG the headers tell the rest: `X-Robot-Id`, '
                '`X-Mission-Id`, `X-Topic`, `X-Type-Name`, `X-Channel`, `X-Receive-Ns`, '
                '`X-Publish-Ns`, `X-Stamp-Ns`, `X-Sequence`.'
            ),
            'content': {JSON: {}, CDR: {}, JPEG: {}},
        },
        406: {'model': Problem, 'description': 'It has no such form: no image, for example.'},
        **NOT_FOUND,
    },
)
async def content(
    request: Request, stores: StoresOfApp, robot: RobotQuery, topic: TopicQuery,
    receive_ns: Annotated[
        int | None,
        Query(ge=0, le=_LARGEST_NS, description='That of the message, as /records has it.'),
    ] = None,
    index: Annotated[
        int, Query(ge=0, description='Which of several of one `receive_ns`, as /records has it.')
    ] = 0,
    at: Annotated[
        str | None,
        Query(description=f'The latest at or before this time: {ACCEPTED}.', examples=['-10s']),
    ] = None,
    format: Format = None,  # noqa: A002
    arrays: Annotated[
        int, Query(ge=0, description='JSON: longer arrays of numbers are base64; see below.')
    ] = USUAL_ARRAY,
    quality: Annotated[int, Query(ge=1, le=100, description='JPEG: 1 to 100.')] = 80,
    width: Annotated[
        int | None, Query(ge=1, description='JPEG: at most so many pixels wide.')
    ] = None,
) -> Response:
    """
    Return one message: that of `receive_ns`, the latest at a time (`at`), or the latest there is.

    **JSON**: the fields have the names of the type's definition. An array of numbers of up to
    `arrays` elements is a list; a longer one is `{"type": "uint8", "length": 921600, "base64":
    "…"}`, little-endian. NaN and the infinities are the texts "NaN", "Infinity", "-Infinity".

    **JPEG**: of sensor_msgs/msg/Image and CompressedImage. 16 bits of intensity become the upper
    8; depth is stretched from the nearest (dark) to the farthest that was measured. What is a
    JPEG already comes as it is, where it is not wider than `width`.
    """
    if receive_ns is not None and at is not None:
        raise query_error('at', 'at: accepted is one of receive_ns and at', at)
    found = await while_connected(
        request, _message(stores, robot, topic, receive_ns, index, at)
    )
    media_type = _media_type(request, format, found.message)
    body = await asyncio.to_thread(_body, found, media_type, arrays, quality, width)
    headers = _headers(found.message)
    if receive_ns is None:
        headers['Cache-Control'] = 'no-cache'
        headers['Content-Location'] = header_text(record_of(*found).content)
    return Response(body, headers=headers, media_type=media_type)


async def _message(
    stores: Stores, robot: str, topic: str, receive_ns: int | None, index: int, at: str | None
) -> Numbered:
    if receive_ns is not None:
        selection = topic_selection(robot, topic, receive_ns, receive_ns + 1)
        async with stores.reading.turn():
            return await message_at(stores.records, selection, index)
    before_ns = None
    if at is not None:
        with query_errors('at'):
            before_ns = time_of(at) + 1
            Selection(to_ns=before_ns)
    async with stores.reading.turn():
        return await latest_message(stores.records, robot, topic, before_ns)


def _media_type(request: Request, wanted: str | None, message: Message) -> str:
    if wanted is not None:
        return _FORMATS[wanted]
    offered = [JSON, CDR, *([JPEG] if message.type_name in IMAGE_TYPES else [])]
    found = preferred(request.headers.get('accept', ''), offered)
    if found is None:
        raise NotShownError(
            f'{message.topic} ({message.type_name}) has no such form: Accept may have '
            f'{", ".join(offered)}'
        )
    return found


def _body(
    found: Numbered, media_type: str, arrays: int, quality: int, width: int | None
) -> bytes:
    message = found.message
    if media_type == CDR:
        return message.data
    if media_type == JPEG:
        return jpeg(message, quality, width)
    row: dict[str, Any] = record_of(*found).model_dump(mode='json', exclude={'content'})
    row['message'] = message_json(message, arrays)
    return json.dumps(row, ensure_ascii=False, separators=(',', ':')).encode()


def _headers(message: Message) -> dict[str, str]:
    headers = {
        'X-Robot-Id': message.robot_id, 'X-Mission-Id': message.mission_id,
        'X-Topic': message.topic, 'X-Type-Name': message.type_name,
        'X-Channel': message.channel.id, 'X-Receive-Ns': str(message.receive_ns),
        'X-Publish-Ns': str(message.publish_ns), 'X-Sequence': str(message.sequence),
        'Cache-Control': _FOR_EVER, 'Vary': 'Accept',
    }
    if message.stamp_ns is not None:
        headers['X-Stamp-Ns'] = str(message.stamp_ns)
    return {name: header_text(text) for name, text in headers.items()}
