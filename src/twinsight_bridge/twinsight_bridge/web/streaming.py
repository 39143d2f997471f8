"""Answers that are made while they are sent, and work that ends when nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import aclosing
import logging
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from twinsight_store.errors import TwinsightError

SEND_TIMEOUT_S = 120.0
"""A client that takes nothing for so long has gone away, or might as well have."""

_log = logging.getLogger(__name__)

T = TypeVar('T')

_END: Any = object()


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; cancel it, and raise ClientGoneError, if the client goes."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request.receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGoneError
    except asyncio.CancelledError:  # the server ends, and with it the connection
        raise ClientGoneError from None
    finally:
        await ended(working, leaving)


class StreamedResponse(Response):
    """
    Sends blocks as they are made, none before the one before it is on its way; made by of().

    The generator is closed when it has ended, when the client goes away or takes nothing for
    SEND_TIMEOUT_S, and when the server ends. Where it raises, the connection is closed before the
    answer is complete, so that no client takes it for whole.
    """

    def __init__(
        self, first: bytes, others: AsyncGenerator[bytes, None],
        headers: Mapping[str, str] | None, media_type: str,
    ) -> None:
        self._first = first
        self._others = others
        self._sent = 0
        self._is_sending = False
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers(headers)

    @classmethod
    async def of(
        cls, blocks: AsyncGenerator[bytes, None], media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> StreamedResponse:
        """Return the answer when its first block is there: what that raises is raised here."""
        try:
            first = await anext(blocks, b'')
        except BaseException:
            await blocks.aclose()
            raise
        return cls(first, blocks, headers, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            while not (sending.done() or leaving.done()):
                sent = self._sent
                await asyncio.wait(
                    (sending, leaving), timeout=SEND_TIMEOUT_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if self._is_sending and self._sent == sent and not sending.done():
                    _log.warning(
                        '%s: the client took nothing for %g s', scope['path'], SEND_TIMEOUT_S
                    )
                    break
            if sending.done():
                sending.result()
        except asyncio.CancelledError:
            _log.warning('%s: the answer was cut: the server ends', scope['path'])
        except TwinsightError as error:
            _log.warning('%s: the answer was cut: %s', scope['path'], error)
        finally:
            await ended(sending, leaving)

    async def _send(self, send: Send) -> None:
        async with aclosing(self._others):
            await send({
                'type': 'http.response.start', 'status': self.status_code,
                'headers': self.raw_headers,
            })
            await self._send_block(send, self._first)
            async for block in self._others:
                await self._send_block(send, block)
            await send({'type': 'http.response.body', 'body': b'', 'more_body': False})

    async def _send_block(self, send: Send, block: bytes) -> None:
        self._is_sending = True
        # Not within wait_for(): before Python 3.12 that forgets to be cancelled.
        await send({'type': 'http.response.body', 'body': block, 'more_body': True})
        self._is_sending = False
        self._sent += 1
        await asyncio.sleep(0)  # of a client that is gone all is taken at once


async def in_threads(
    threads: Executor, make: Callable[[], Iterator[T]]
) -> AsyncGenerator[T, None]:
    """Give what a blocking iterator gives; each step runs in a thread, and so does its end."""
    loop = asyncio.get_running_loop()
    iterator = make()
    step: asyncio.Future[Any] | None = None
    try:
        while True:
            step = loop.run_in_executor(threads, next, iterator, _END)
            found = await asyncio.shield(step)
            if found is _END:
                return
            yield found
    finally:
        await asyncio.shield(_closed(loop, threads, iterator, step))


async def _closed(
    loop: asyncio.AbstractEventLoop, threads: Executor, iterator: Iterator[Any],
    step: asyncio.Future[Any] | None,
) -> None:
    """Close an iterator when the step that it may be at has ended: before, it cannot be closed."""
    if step is not None:
        await asyncio.wait([step])
        if not step.cancelled():
            step.exception()
    close = getattr(iterator, 'close', None)
    if close is not None:
        await loop.run_in_executor(threads, close)


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what is not done yet, and wait until it has ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())['type'] != 'http.disconnect':
        pass
