"""A session's process, as the one who started it sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
import contextlib
import json
import sys
from typing import Any

from twinsight_bridge.playback.errors import SessionEndedError, SessionLimitError
from twinsight_bridge.playback.order import Order
from twinsight_bridge.playback.parent_lines import MOST_BYTES
from twinsight_bridge.playback.session_settings import SessionSettings
from twinsight_store.errors import (
    ConfigurationError,
    NothingMatchedError,
    StoreRefusedError,
    StoreUnavailableError,
    TwinsightError,
)

_MOST_ORDERS = 32
_ANSWER_S = 10.0
_END_S = 5.0
_KINDS: dict[str, Callable[[str], TwinsightError]] = {
    'ConfigurationError': ConfigurationError,
    'NothingMatchedError': NothingMatchedError,
    'StoreUnavailableError': StoreUnavailableError,
    'StoreRefusedError': lambda text: StoreRefusedError(text, 0),
}


class SessionChild:
    """
    A process that plays; made by start().

    pid    of the process
    ready  what it said when it was
    state  what it said last
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self.ready: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self._process = process
        self._is_ready = asyncio.Event()
        self._error: TwinsightError | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._orders = 0
        self._life = asyncio.create_task(self._listen())

    @classmethod
    async def start(
        cls, settings: SessionSettings, environment: Mapping[str, str], patience_s: float
    ) -> SessionChild:
        """
        Start one, and return when viewers can connect.

        Raises what opening the timeline raises, SessionEndedError, and StoreUnavailableError
        where it takes too long.
        """
        child = cls(await asyncio.create_subprocess_exec(
            sys.executable, '-m', 'twinsight_bridge.playback.session_process',
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment,
            limit=MOST_BYTES, start_new_session=True,  # Ctrl-C is for us, who end it
        ))
        try:
            await child._write(settings.to_json())
            await asyncio.wait_for(child._is_ready.wait(), patience_s)
            if child._error:
                raise child._error
        except asyncio.TimeoutError as error:
            await child.close()
            raise StoreUnavailableError(
                f'the session was not ready within {patience_s:g} s: the store may be slow or '
                'away; try again, or select less'
            ) from error
        except BaseException:
            await child.close()
            raise
        return child

    @property
    def is_alive(self) -> bool:
        """Return whether it runs, as far as is known."""
        return not self._life.done()

    async def ended(self) -> TwinsightError:
        """Return why it ended, when it has."""
        await asyncio.shield(self._life)
        assert self._error is not None
        return self._error

    async def obey(self, order: Order) -> dict[str, Any]:
        """Give an order; return the state when it is done. Raises SessionEndedError."""
        if not self.is_alive:
            raise await self.ended()
        if len(self._answers) >= _MOST_ORDERS:
            raise SessionLimitError(f'{_MOST_ORDERS} orders wait already: try again soon')
        self._orders += 1
        number = self._orders
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await self._write({'id': number, **order._asdict()})
            return await asyncio.wait_for(answer, _ANSWER_S)
        except asyncio.TimeoutError as error:
            raise SessionEndedError(
                f'the session did not answer within {_ANSWER_S:g} s: close it'
            ) from error
        finally:
            del self._answers[number]

    async def close(self) -> None:
        """End it, within a bounded time."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._life), _END_S)
        except asyncio.TimeoutError:
            pass
        finally:
            if self.is_alive:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
        await self._life

    async def _write(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it has ended, which _listen() notices
            self._process.stdin.write(json.dumps(line).encode() + b'\n')
            await self._process.stdin.drain()

    async def _listen(self) -> None:
        """Take what it says until it ends."""
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                self._take(json.loads(line))
        except ValueError as error:
            self._error = SessionEndedError(f'the session said what is no line of JSON ({error})')
            self._process.kill()
        code = await self._process.wait()
        self._error = self._error or SessionEndedError(
            f'the process of the session ended (exit code {code}): open it again'
        )
        self._is_ready.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(self._error)

    def _take(self, line: dict[str, Any]) -> None:
        if 'state' in line:
            self.state = line['state']
        elif 'answer' in line:
            self.state = line['answer']['state']
            answer = self._answers.get(line['answer']['id'])
            if answer and not answer.done():
                answer.set_result(self.state)
        elif 'ready' in line:
            self.ready, self.state = line['ready'], line['ready']['state']
            self._is_ready.set()
        elif 'error' in line:
            kind = _KINDS.get(line['error']['kind'], TwinsightError)
            self._error = kind(line['error']['message'])
