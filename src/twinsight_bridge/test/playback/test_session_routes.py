"""Sessions over HTTP."""

import asyncio
import os

from aiohttp import ClientSession, web
import pytest

from twinsight_bridge.playback.routes import add_session_routes
from twinsight_bridge.playback.sessions import SessionRules, Sessions
from twinsight_store.connection import URL_VARIABLE
from twinsight_store.history.postgres import URL_VARIABLE as POSTGRES_URL_VARIABLE


@pytest.fixture
def ask(drive):
    """Return a function that runs a coroutine with a function which sends a request."""

    async def serve(work):
        rules = SessionRules(max_sessions=1, buckets=(drive.settings.bucket,))
        sessions = Sessions(rules, {
            **os.environ, URL_VARIABLE: drive.settings.url, POSTGRES_URL_VARIABLE: '',
        })
        app = web.Application()
        add_session_routes(app, sessions)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, '127.0.0.1', 0).start()
        base = 'http://{}:{}'.format(*runner.addresses[0])
        try:
            async with ClientSession(base) as client:
                async def send(method, path, body=None):
                    async with client.request(method, path, json=body) as answer:
                        told = await answer.json() if answer.status != 204 else None
                        return answer.status, told, answer.headers

                await work(send)
        finally:
            await sessions.aclose()
            await runner.cleanup()

    return lambda work: asyncio.run(serve(work))


def test_open_look_control_and_close(ask, drive):
    async def work(send):
        body = {'robot': 'robot_05', 'topic': ['/odom', '/map'], 'rate': 2, 'paused': True}
        status, session, _ = await send('POST', '/sessions', {**body, 'session': 'evening'})
        assert status == 201
        assert session['id'] == 'evening' and session['rate'] == 2.0
        assert session['selection']['topic'] == ['/odom', '/map']
        status, told, _ = await send('GET', '/sessions')
        assert status == 200 and [each['id'] for each in told['sessions']] == ['evening']
        status, told, _ = await send('POST', '/sessions/evening/control', {
            'command': 'pause', 'seek': '2023-11-14T22:13:24Z', 'rate': 0.5,
        })
        assert status == 200 and told['state'] == 'paused' and told['rate'] == 0.5
        assert told['position_ns'] == drive.start_ns + 4_000_000_000
        assert (await send('GET', '/sessions/evening'))[1]['position'] == told['position']
        status, told, headers = await send('POST', '/sessions', {'robot': 'robot_05'})
        assert status == 503 and 'max_sessions 1' in told['detail'] and headers['Retry-After']
        other = {'session': 'evening', 'robot': 'other'}
        status, told, _ = await send('POST', '/sessions', other)
        assert status == 409 and 'plays --robot robot_05' in told['detail']
        assert (await send('DELETE', '/sessions/evening'))[0] == 204
        assert (await send('DELETE', '/sessions/evening'))[0] == 404
        status, told, _ = await send('POST', '/sessions', {'robot': 'nobody'})
        assert status == 404 and 'nothing matches --robot nobody' in told['detail']

    ask(work)


def test_what_is_wrong_names_the_field(ask):
    async def work(send):
        for path, body, field, message in (
            ('/sessions', {'from': 'yesterday'}, 'from', "time 'yesterday': accepted are ISO"),
            ('/sessions', {'to': '2026-01-01', 'from': '2026-01-02'}, 'to', 'is empty'),
            ('/sessions', {'label': 'north'}, 'label', "'north': accepted is NAME=VALUE"),
            ('/sessions', {'rate': 0}, 'rate', "'0': accepted is a number from 0.01 to 100"),
            ('/sessions', {'robots': 'a'}, 'robots', 'unknown; accepted are robot, mission'),
            ('/sessions', {'robot': {}}, 'robot', 'accepted are texts'),
            ('/sessions', {'session': 'a/b'}, 'session', 'accepted are letters'),
            ('/sessions', ['robot'], '', 'accepted is a JSON object'),
            ('/sessions/x/control', {'command': 'stop'}, 'command', 'accepted are play and pause'),
            ('/sessions/x/control', {'seek': True}, 'seek', "time 'true': accepted are ISO"),
            ('/sessions/x/control', {'speed': 2}, 'speed', 'accepted are command, seek, rate'),
            ('/sessions/x/control', {}, 'command', 'accepted is one of command, seek, rate'),
        ):
            status, told, _ = await send('POST', path, body)
            detail, = told['detail']
            assert (status, detail['loc']) == (422, ['body', field]), body
            assert message in detail['msg'], detail
        assert (await send('POST', '/sessions/x/control', {'command': 'play'}))[0] == 404

    ask(work)
