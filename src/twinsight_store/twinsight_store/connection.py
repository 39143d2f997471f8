"""The connection to ReductStore: where it is, who we are, and what its failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
import os
import socket
from urllib.parse import urlsplit

import aiohttp
from reduct import Bucket, BucketSettings, Client, QuotaType, ReductError

from twinsight_store.errors import (
    ConfigurationError,
    NothingMatchedError,
    StoreRefusedError,
    StoreUnavailableError,
    TwinsightError,
)
from twinsight_store.layout import DEFAULT_BUCKET

URL_VARIABLE = 'TWINSIGHT_REDUCT_URL'
TOKEN_VARIABLE = 'TWINSIGHT_REDUCT_TOKEN'

_BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class StoreSettings:
    """
    Where the robot data is kept.

    url           http(s)://host:port
    token         API token; never printed
    bucket        created on the first write where it is absent
    more_buckets  further ones that readers take together with it, as if all were one
    quota_bytes   size of a bucket that is created, 0 for no limit
    quota_type    FIFO (the oldest data goes) or HARD (writing is refused), once it is full
    timeout_s     longest time without a byte from the store
    patience_s    for so long a reader asks a store again that does not answer
    """

    url: str
    token: str | None = field(default=None, repr=False)
    bucket: str = DEFAULT_BUCKET
    quota_bytes: int = 0
    quota_type: str = 'FIFO'
    timeout_s: float = 30.0
    patience_s: float = 60.0
    more_buckets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ('http', 'https') or not parts.hostname:
            raise ConfigurationError(
                f'{URL_VARIABLE}={self.url!r}: accepted is http://HOST:PORT or https://HOST:PORT'
            )
        if self.quota_type not in ('FIFO', 'HARD'):
            raise ConfigurationError(
                f'quota_type {self.quota_type!r}: accepted are FIFO and HARD'
            )

    @property
    def buckets(self) -> tuple[str, ...]:
        """Return all buckets that are read, each once, in the order given."""
        return tuple(dict.fromkeys((self.bucket, *self.more_buckets)))

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, **settings: object
    ) -> StoreSettings:
        """
        Return the settings with URL and token from the environment.

        Raises ConfigurationError where the URL is not set.
        """
        url = environment.get(URL_VARIABLE)
        if not url:
            raise ConfigurationError(
                f'{URL_VARIABLE} is not set: give the address of ReductStore, for example '
                f'http://127.0.0.1:8383 (`make servers` starts one)'
            )
        token = environment.get(TOKEN_VARIABLE) or None
        return cls(url=url, token=token, **settings)  # type: ignore[arg-type]


@contextmanager
def store_errors(settings: StoreSettings) -> Iterator[None]:
    """Turn every failure of a request into a StoreUnavailableError or a StoreRefusedError."""
    try:
        yield
    except (TwinsightError, asyncio.CancelledError):
        raise
    except ReductError as error:
        raise translated(settings, error) from error
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
        raise _unavailable(settings, str(error) or type(error).__name__) from error


def translated(settings: StoreSettings, error: ReductError) -> TwinsightError:
    """Return what an answer of the store means, in one line that says what to do."""
    if error.status_code < 0 or error.status_code in _BUSY:
        return _unavailable(settings, error.message)
    if error.status_code in (401, 403):
        return StoreRefusedError(
            f'ReductStore at {settings.url} refuses the token ({error.status_code}: '
            f'{error.message}): set {TOKEN_VARIABLE}',
            error.status_code,
        )
    return StoreRefusedError(
        f'ReductStore at {settings.url} refuses: {error.message} ({error.status_code})',
        error.status_code,
    )


def _unavailable(settings: StoreSettings, reason: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        f'ReductStore at {settings.url} does not answer ({reason}): '
        f'start it, or set {URL_VARIABLE}'
    )


class Connection:
    """
    An open connection to one store; made by connect().

    client   reduct-py's client, for everything but queries over several entries
    session  keeps the TCP connections open between requests
    """

    def __init__(self, settings: StoreSettings, session: aiohttp.ClientSession) -> None:
        self.settings = settings
        self.client = Client(settings.url, settings.token, session=session)
        self._session = session

    async def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """
        Return status, headers and body of one API request; ``body`` is sent as JSON.

        Raises StoreUnavailableError or StoreRefusedError.
        """
        own = {'Authorization': f'Bearer {self.settings.token}'} if self.settings.token else {}
        with store_errors(self.settings):
            async with self._session.request(
                method, f'{self.settings.url.rstrip("/")}/api/v1{path}',
                json=body, headers={**own, **(headers or {})},
            ) as response:
                if not response.ok:
                    reason = response.headers.get('x-reduct-error', response.reason or '')
                    raise ReductError(response.status, reason)
                return response.status, response.headers, await response.read()

    async def present(self) -> list[Bucket]:
        """
        Return those of the settings' buckets that are there.

        Raises NothingMatchedError where none is.
        """
        there = []
        with store_errors(self.settings):
            for name in self.settings.buckets:
                try:
                    there.append(await self.client.get_bucket(name))
                except ReductError as error:
                    if error.status_code != 404:
                        raise
        if not there:
            raise self._no_bucket(self.settings.buckets)
        return there

    async def absent(self) -> list[str]:
        """Return the names of those of several buckets that are not there."""
        if len(self.settings.buckets) == 1:
            return []
        there = {bucket.name for bucket in await self.present()}
        return [name for name in self.settings.buckets if name not in there]

    async def bucket(self, create: bool = False) -> Bucket:
        """
        Return the bucket that is written to.

        With ``create`` make it, with the quota, where it is absent; the settings of a bucket
        that exists stay as they are. Raises NothingMatchedError where the bucket is absent and
        not to be made.
        """
        settings = self.settings
        with store_errors(settings):
            try:
                return await self.client.get_bucket(settings.bucket)
            except ReductError as error:
                if error.status_code != 404:
                    raise
                if not create:
                    raise self._no_bucket([settings.bucket]) from error
            quota = BucketSettings()
            if settings.quota_bytes:
                quota = BucketSettings(
                    quota_type=QuotaType[settings.quota_type], quota_size=settings.quota_bytes
                )
            return await self.client.create_bucket(settings.bucket, quota, exist_ok=True)

    def _no_bucket(self, names: Iterable[str]) -> NothingMatchedError:
        return NothingMatchedError(
            f'ReductStore at {self.settings.url} has no bucket {" or ".join(map(repr, names))}: '
            'nothing was recorded there yet'
        )


def _connector(timeout_s: float) -> aiohttp.TCPConnector:
    try:
        return aiohttp.TCPConnector(socket_factory=partial(_socket, timeout_s))
    except TypeError:  # aiohttp before 3.12
        return aiohttp.TCPConnector()


def _socket(timeout_s: float, address: aiohttp.AddrInfoType) -> socket.socket:
    """Make a socket that fails where the store takes no bytes: aiohttp times the answer only."""
    made = socket.socket(*address[:3])
    if hasattr(socket, 'TCP_USER_TIMEOUT'):
        milliseconds = max(1, round(timeout_s * 1000))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return made


@asynccontextmanager
async def connect(settings: StoreSettings) -> AsyncIterator[Connection]:
    """Give a connection; nothing is asked of the store yet."""
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=settings.timeout_s, sock_read=settings.timeout_s
    )
    # A batch's answer has a header line a record, so lines are many and may be long.
    async with aiohttp.ClientSession(
        connector=_connector(settings.timeout_s), timeout=timeout,
        max_line_size=64 * 1024, max_field_size=64 * 1024,
    ) as session:
        yield Connection(settings, session)
