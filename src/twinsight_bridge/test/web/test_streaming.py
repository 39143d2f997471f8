"""Clients that go away, stall, or are too many; answers that cannot be ended."""

import asyncio
import socket
import time

from fastapi import FastAPI, Request
import httpx
import pytest

from twinsight_bridge.web import streaming
from twinsight_bridge.web.streaming import while_connected
from twinsight_bridge.web.turns import Turns
from twinsight_store.errors import StoreUnavailableError


def ask(api, target):
    """Send a request on a socket of our own, which is not read."""
    made = socket.create_connection(('127.0.0.1', api.port))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
    made.sendall(f'GET {target} HTTP/1.1\r\nHost: api\r\n\r\n'.encode())
    return made


def eventually(question, wanted, seconds=30):
    """Return what a question answers when it is what is wanted, or it is too late."""
    deadline = time.monotonic() + seconds
    while (found := question()) != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def test_reading_stops_when_the_client_goes_away_amid_a_stream(long_history, serve):
    with serve(long_history.site) as api:
        client = ask(api, '/metrics?format=csv')
        assert client.recv(5000).startswith(b'HTTP/1.1 200 OK')
        assert eventually(long_history.streams, 1) == 1
        time.sleep(0.3)
        assert long_history.streams() == 1  # it waits for the client, and not for the end
        client.close()
        assert eventually(long_history.streams, 0) == 0
        assert api.json('/health')['status'] == 'ok'


def test_work_stops_when_the_client_goes_away_before_the_answer(serve_app):
    ends = []

    async def work():
        try:
            ends.append('begun')
            await asyncio.Event().wait()
        finally:
            ends.append('stopped')

    app = FastAPI()

    @app.get('/')
    async def endpoint(request: Request):
        await while_connected(request, work())

    with serve_app(app) as api:
        client = ask(api, '/')
        assert eventually(lambda: ends, ['begun']) == ['begun']
        client.close()
        assert eventually(lambda: ends, ['begun', 'stopped']) == ['begun', 'stopped']


@pytest.fixture
def endless():
    """Return an application whose answer has no end, and what is filled when it is ended."""
    ends = []

    async def blocks():
        try:
            while True:
                yield bytes(1_000_000)
        finally:
            ends.append('stopped')

    app = FastAPI()

    @app.get('/')
    async def endpoint():
        return await streaming.StreamedResponse.of(blocks(), 'application/octet-stream')

    return app, ends


def test_an_answer_without_end_ends_when_the_client_goes_away(serve_app, endless):
    app, ends = endless
    with serve_app(app) as api:
        client = ask(api, '/')
        assert client.recv(10_000)
        assert ends == []
        client.close()
        assert eventually(lambda: ends, ['stopped']) == ['stopped']


def test_a_client_that_takes_nothing_for_long_is_left(serve_app, endless, monkeypatch):
    monkeypatch.setattr(streaming, 'SEND_TIMEOUT_S', 0.3)
    app, ends = endless
    with serve_app(app) as api, ask(api, '/'):
        assert eventually(lambda: ends, ['stopped']) == ['stopped']


def test_who_comes_when_too_many_wait_is_turned_away():
    async def work():
        turns = Turns('PostgreSQL', most=1, waiting=1)

        async def hold():
            async with turns.turn():
                await asyncio.sleep(0.05)

        holding = [asyncio.create_task(hold()) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(StoreUnavailableError, match='PostgreSQL is asked by too many at once'):
            await hold()
        await asyncio.gather(*holding)
        await hold()

    asyncio.run(work())


def test_an_answer_that_cannot_be_ended_is_cut_so_that_nobody_takes_it_for_whole(
    long_history, serve
):
    with serve(long_history.site) as api, api.stream('GET', '/metrics?format=csv') as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw()
        next(pieces)
        long_history.end_streams()
        with pytest.raises(httpx.RemoteProtocolError, match='incomplete|without sending complete'):
            list(pieces)


def test_streams_are_limited_and_the_next_waits_for_its_turn(long_history, serve):
    with serve(long_history.site) as api:
        stalled = [ask(api, '/metrics?format=csv') for _ in range(8)]
        assert eventually(long_history.streams, 8) == 8
        waiting = ask(api, '/metrics?format=csv')
        assert eventually(long_history.streams, 9, seconds=1.5) == 8
        assert api.json('/missions')['missions'] == []  # other questions have other turns
        stalled.pop().close()
        waiting.settimeout(30)
        assert waiting.recv(5000).startswith(b'HTTP/1.1 200 OK')
        for each in (*stalled, waiting):
            each.close()
