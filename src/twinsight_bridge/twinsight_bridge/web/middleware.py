"""What holds for every answer and every request, whatever its endpoint."""

from __future__ import annotations

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NO_SNIFF = (b'x-content-type-options', b'nosniff')


class NoSniff:
    """Tells browsers to take an answer for what it says it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""

        async def sending(message: Message) -> None:
            if message['type'] == 'http.response.start':
                message = {**message, 'headers': [*message['headers'], _NO_SNIFF]}
            await send(message)

        await self._app(scope, receive, sending if scope['type'] == 'http' else send)


class BodyLimit:
    """
    Refuses bodies of more than so many bytes, with 413.

    One that does not say its size is cut off when it gets there: to the endpoint it is as if the
    client had gone away.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        size = dict(scope['headers']).get(b'content-length', b'0')
        if not size.isdigit() or int(size) > self._most_bytes:
            refusal = JSONResponse(
                {'detail': f'the body is too big: accepted are {self._most_bytes} bytes'}, 413,
                {'Connection': 'close'},
            )
            await refusal(scope, receive, send)
            return
        left = self._most_bytes

        async def receiving() -> Message:
            nonlocal left
            message = await receive()
            if message['type'] == 'http.request':
                left -= len(message.get('body', b''))
                if left < 0:
                    return {'type': 'http.disconnect'}
            return message

        await self._app(scope, receiving, send)
