"""Stores that are away at start, come, and go again."""

from concurrent.futures import ThreadPoolExecutor
import socket

import pytest

from twinsight_store.connection import StoreSettings
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.live.connection import RedisSettings

STORES = {
    '/topics': 'ReductStore', '/records': 'ReductStore', '/coverage': 'ReductStore',
    '/records/content?robot=r&topic=/scan': 'ReductStore',
    '/schema?robot=r&topic=/scan': 'ReductStore',
    '/missions': 'PostgreSQL', '/events': 'PostgreSQL', '/metrics': 'PostgreSQL',
    '/metrics/names': 'PostgreSQL',
}


@pytest.fixture
def private(reduct_server, postgres_server, redis_server):
    return reduct_server, postgres_server, redis_server


@pytest.fixture
def private_site(private, make_site):
    reduct, postgres, redis = private
    return make_site(
        StoreSettings(reduct.url, patience_s=0.0), PostgresSettings(postgres.url),
        RedisSettings(redis.url),
    )


def address_of(silent):
    return f'postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d'


def states(api):
    answer = api.get('/health')
    found = answer.json()
    return answer.status_code, {each['store']: each['state'] for each in found['stores']}


def test_stores_that_are_away_are_named_and_are_used_when_they_come(
    private, private_site, serve
):
    for server in private:
        server.stop()
    with serve(private_site) as api:
        for path, store in STORES.items():
            answer = api.get(path)
            assert (path, answer.status_code) == (path, 503)
            assert store in answer.json()['detail'] and answer.headers['retry-after'] == '5'
        assert 'does not answer' in api.detail('/robots', 503)
        assert states(api) == (503, dict.fromkeys(('ReductStore', 'PostgreSQL', 'Redis'), 'away'))

        for server in private:
            server.restart()
        private_site.record('r', 'm', '/scan', [(0, private_site.scan(0))])
        private_site.measure('r', 'm', 'battery', [(0, 1.0)])
        for path in STORES:
            assert (path, api.get(path).status_code) == (path, 200)
        assert states(api)[0] == 200
        (robot,) = api.json('/robots')['robots']
        assert robot['metrics'] and robot['stored']

        private[0].kill()
        found = api.json('/robots')
        assert found['robots'][0]['metrics'] and not found['robots'][0]['stored']
        (problem,) = found['problems']
        assert problem.startswith('ReductStore at http://127.0.0.1:')
        assert states(api) == (503, {'ReductStore': 'away', 'PostgreSQL': 'ok', 'Redis': 'ok'})


def test_a_store_that_is_not_set_is_told_and_is_no_fault(site, make_site, serve):
    live_only = make_site(None, None, site.addresses.live)
    with serve(live_only) as api:
        assert states(api) == (200, {
            'ReductStore': 'not set', 'PostgreSQL': 'not set', 'Redis': 'ok',
        })
        assert api.json('/robots')['problems'] == []
        assert 'TWINSIGHT_REDUCT_URL is not set' in api.detail('/records', 503)
        assert 'TWINSIGHT_POSTGRES_URL is not set' in api.detail('/metrics', 503)


def test_a_store_that_refuses_is_no_store_that_is_away(free_postgres, make_site, serve):
    nobody = PostgresSettings(free_postgres.url + '_nobody_made')
    with serve(make_site(None, nobody)) as api:
        answer = api.get('/missions')
        assert answer.status_code == 502 and 'retry-after' not in answer.headers
        assert 'does not let us in' in answer.json()['detail']


def test_a_database_that_hangs_holds_up_nobody_else(site, make_site, serve):
    with socket.create_server(('127.0.0.1', 0)) as silent:
        silent.settimeout(30)
        options = 'connect_timeout=60&sslmode=disable'
        history = PostgresSettings(f'{address_of(silent)}?{options}')
        stores = site.addresses
        with serve(make_site(stores.records, history, stores.live)) as api, \
                ThreadPoolExecutor(8) as clients:
            asked = [clients.submit(api.detail, '/missions', 503) for _ in range(8)]
            connected = [silent.accept()[0] for _ in asked]
            try:
                assert api.json('/topics')['topics']
                assert not any(each.done() for each in asked)
            finally:
                for each in connected:
                    each.close()
            assert all('PostgreSQL at 127.0.0.1' in each.result() for each in asked)


def test_a_database_that_hangs_is_given_up(make_site, serve):
    with socket.create_server(('127.0.0.1', 0)) as silent:
        history = PostgresSettings(address_of(silent), timeout_s=2.0)
        with serve(make_site(None, history)) as api:
            assert 'PostgreSQL at 127.0.0.1' in api.detail('/missions', 503)
