"""Asking the bridge, which has the replay sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import ClientError, ClientSession, ClientTimeout, ContentTypeError

from twinsight_store.errors import StoreRefusedError, StoreUnavailableError

_CONNECT_S = 3.0
_ANSWER_S = 90.0
"""A session that is asked for looks at the store first; the bridge gives up after a minute."""


class BridgeAwayError(StoreUnavailableError):
    """The bridge does not answer; the same may succeed later."""


class BridgeRefusedError(StoreRefusedError):
    """What answers is no bridge, or one that cannot do this."""


class Answer(NamedTuple):
    """What the bridge answered; ``told`` is its JSON."""

    status: int
    told: Any
    retry_after: str


class BridgeClient:
    """
    Asks one bridge; made by opened().

    url  http://HOST:PORT
    """

    def __init__(self, url: str, session: ClientSession) -> None:
        """Make one that uses the session."""
        self.url = url
        self._session = session

    async def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """
        Return what the bridge answers.

        Raises BridgeAwayError where it does not, BridgeRefusedError where it is no bridge.
        """
        try:
            async with self._session.request(
                method, f'{self.url}{path}', json=body, allow_redirects=False
            ) as answer:
                told = await answer.json() if answer.status != 204 else None
                retry_after = answer.headers.get('Retry-After', '')
                return Answer(answer.status, told, retry_after)
        except (ValueError, ClientError, OSError, asyncio.TimeoutError) as error:
            raise self._problem(error) from error

    def _problem(self, error: Exception) -> BridgeAwayError | BridgeRefusedError:
        place = f'the bridge at {self.url}'
        if isinstance(error, (ValueError, ContentTypeError)):
            return BridgeRefusedError(
                f'{place} does not answer as one that has replay sessions: check bridge_url', 0
            )
        why = str(error) or 'it took too long'
        return BridgeAwayError(f'{place} does not answer ({why}): start it, or set bridge_url')


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[BridgeClient]:
    """Give a client; nothing is asked yet."""
    timeout = ClientTimeout(total=_ANSWER_S, sock_connect=_CONNECT_S)
    async with ClientSession(timeout=timeout) as session:
        yield BridgeClient(url, session)
