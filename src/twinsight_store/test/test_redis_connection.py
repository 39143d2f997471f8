"""The connection to Redis: what its failures say, and that no password is ever shown."""

from __future__ import annotations

import socket
import ssl
import traceback

import pytest

from twinsight_store.errors import (
    ConfigurationError,
    StoreRefusedError,
    StoreUnavailableError,
)
from twinsight_store.live.connection import connect, redis_errors, RedisSettings

SECRET = 'h%C3%BCter7'


def all_of(error):
    return ''.join(traceback.format_exception(error))


def ask(settings, *command):
    with connect(settings) as client, redis_errors(settings):
        return client.execute_command(*(command or ('PING',)))


@pytest.mark.parametrize(('url', 'where'), [
    (f'redis://me:{SECRET}@live.example:6380/2', 'live.example:6380'),
    (f'rediss://:{SECRET}@live.example', 'live.example:6379'),
    ('redis://[::1]:7000', '[::1]:7000'),
    ('unix:///run/redis.sock', '/run/redis.sock'),
])
def test_the_url_is_that_of_the_environment(url, where):
    settings = RedisSettings.from_environment({'TWINSIGHT_REDIS_URL': url})
    assert settings.where == where
    assert SECRET not in repr(settings) and 'hüter7' not in repr(settings)


def test_without_a_url_it_is_said_what_to_set():
    with pytest.raises(ConfigurationError, match='TWINSIGHT_REDIS_URL is not set'):
        RedisSettings.from_environment({})


@pytest.mark.parametrize('url', [
    'redis://me:hunter2@db?socket_timeout=hunter2',
    'http://me:hunter2@db', 'hunter2', 'redis://', 'redis://me:hunter2@db:port', 'unix://',
])
def test_what_is_no_url_is_refused_without_showing_it(url):
    with pytest.raises(ConfigurationError, match='accepted is redis://') as error:
        RedisSettings(url)
    assert 'hunter2' not in str(error.value)


@pytest.mark.parametrize('url', [
    'redis://me:hunter2@db?foo=bar', 'redis://me:hunter2@db/0?decode_responses=True',
    'redis://me:hunter2@db?max_connections=5', 'redis://me:hunter2@db?db=3',
    'redis://me:hunter2@db?password=hunter2', 'redis://me:hunter2@db?ssl_ca_certs=/ca.pem',
    'rediss://me:hunter2@db?ssl_cert_reqs=maybe', 'rediss://db?ssl_password=hunter2&ssl_foo=1',
    'unix:///run/redis.sock?db=1', 'redis://db?foo', 'rediss://db?ssl_check_hostname=hunter2',
])
def test_nothing_behind_the_address_is_accepted_but_tls(url):
    with pytest.raises(ConfigurationError, match='behind "\\?" is not accepted.*ssl_ca') as error:
        RedisSettings(url)
    assert 'hunter2' not in str(error.value) and '\n' not in str(error.value)


def test_what_a_url_says_of_tls_reaches_the_connection():
    url = 'rediss://db/2?ssl_cert_reqs=none&ssl_check_hostname=false&ssl_ca_certs=/ca.pem'
    with connect(RedisSettings(url)) as client:
        connection = client.connection_pool.make_connection()
    assert (connection.ca_certs, connection.check_hostname) == ('/ca.pem', False)
    assert (connection.cert_reqs, connection.db) == (ssl.CERT_NONE, 2)


def test_no_time_at_all_is_refused():
    with pytest.raises(ConfigurationError, match='timeout_s 0: accepted is more than 0'):
        RedisSettings('redis://127.0.0.1', timeout_s=0)


def test_nobody_there_is_told_without_the_password():
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        port = unused.getsockname()[1]
        with pytest.raises(StoreUnavailableError) as error:
            ask(RedisSettings(f'redis://me:{SECRET}@127.0.0.1:{port}/0'))
    assert f'Redis at 127.0.0.1:{port} does not answer' in str(error.value)
    assert 'TWINSIGHT_REDIS_URL' in str(error.value) and '\n' not in str(error.value)
    assert SECRET not in all_of(error.value) and 'hüter7' not in all_of(error.value)


def test_a_host_that_takes_the_connection_and_says_nothing_is_noticed():
    with socket.create_server(('127.0.0.1', 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(StoreUnavailableError, match='does not answer'):
            ask(RedisSettings(f'redis://127.0.0.1:{port}', timeout_s=0.2))


def test_a_wrong_password_is_refused_without_showing_it(redis_url):
    with pytest.raises(StoreRefusedError, match='user or password are wrong') as error:
        ask(RedisSettings(redis_url.replace('//', f'//me:{SECRET}@')))
    assert SECRET not in all_of(error.value) and 'hüter7' not in all_of(error.value)


def test_a_missing_password_is_asked_for(redis_url):
    settings = RedisSettings(redis_url)
    ask(settings, 'CONFIG', 'SET', 'requirepass', 'hunter2')
    with pytest.raises(StoreRefusedError, match='it wants a password: put it into TWINSIGHT_RED'):
        ask(settings)
    assert ask(RedisSettings(redis_url.replace('//', '//:hunter2@'))) is True


def test_a_server_without_room_for_one_more_does_not_answer(redis_url):
    settings = RedisSettings(redis_url)
    with connect(settings) as first:
        first.config_set('maxclients', 1)
        with pytest.raises(StoreUnavailableError, match='max number of clients'):
            ask(settings)


@pytest.mark.parametrize('code', [
    'LOADING', 'BUSY', 'MASTERDOWN', 'CLUSTERDOWN', 'TRYAGAIN'
])
def test_what_passes_is_that_it_does_not_answer(redis_url, code):
    with pytest.raises(StoreUnavailableError, match='it is so'):
        ask(RedisSettings(redis_url), 'EVAL', answering(code), 0)


@pytest.mark.parametrize(('code', 'hint'), [
    ('OOM', 'raise its maxmemory'),
    ('READONLY', 'set TWINSIGHT_REDIS_URL to the primary'),
    ('NOPERM', 'give the user of TWINSIGHT_REDIS_URL the right'),
    ('MISCONF', 'make room there'),
    ('NOREPLICAS', 'too few of its replicas'),
    ('WRONGTYPE', 'delete that key'),
    ('CROSSSLOT', 'Redis Cluster is not supported'),
    ('ERR', 'see its log'),
])
def test_what_stays_is_that_it_refuses_and_what_to_do(redis_url, code, hint):
    with pytest.raises(StoreRefusedError, match='it is so') as error:
        ask(RedisSettings(redis_url), 'EVAL', answering(code), 0)
    assert hint in str(error.value) and '\n' not in str(error.value)
    assert error.value.code == ('' if code == 'ERR' else code)
    assert error.value.status == 0


def answering(code):
    """Return a script at which the server answers with an error."""
    return f'return redis.error_reply("{code} it is so")'
