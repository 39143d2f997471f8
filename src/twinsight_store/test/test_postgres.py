"""The connection to PostgreSQL: what its failures say, and that no password is ever shown."""

from __future__ import annotations

import socket
import traceback

import psycopg
import pytest

from twinsight_store.errors import (
    ConfigurationError,
    StoreRefusedError,
    StoreUnavailableError,
)
from twinsight_store.history.postgres import connect, postgres_errors, PostgresSettings

SECRET = 'h%C3%BCter7'


def all_of(error):
    return ''.join(traceback.format_exception(error))


def test_the_url_is_that_of_the_environment():
    settings = PostgresSettings.from_environment(
        {'TWINSIGHT_POSTGRES_URL': f'postgresql://me:{SECRET}@db.example:5433/robots'}
    )
    assert settings.where == 'db.example:5433/robots'
    assert SECRET not in repr(settings) and 'hüter7' not in repr(settings)


def test_without_a_url_it_is_said_what_to_set():
    with pytest.raises(ConfigurationError, match='TWINSIGHT_POSTGRES_URL is not set'):
        PostgresSettings.from_environment({})


@pytest.mark.parametrize('url', [
    'http://me:hunter2@db', 'hunter2', 'postgresql://me:hunter2%zz@db',
    'dbname=x password=hunter2', 'postgresql://me:hunter2@db/x?nonsense=1',
])
def test_what_is_no_url_is_refused_without_showing_it(url):
    with pytest.raises(ConfigurationError, match='accepted is postgresql://') as error:
        PostgresSettings(url)
    assert 'hunter2' not in str(error.value)


def test_nobody_there_is_told_without_the_password():
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        port = unused.getsockname()[1]
        settings = PostgresSettings(f'postgresql://me:{SECRET}@127.0.0.1:{port}/robots')
        with pytest.raises(StoreUnavailableError) as error:
            connect(settings)
    assert f'PostgreSQL at 127.0.0.1:{port}/robots does not answer' in str(error.value)
    assert 'TWINSIGHT_POSTGRES_URL' in str(error.value) and '\n' not in str(error.value)
    assert SECRET not in all_of(error.value) and 'hüter7' not in all_of(error.value)


def test_a_host_that_takes_the_connection_and_says_nothing_is_noticed():
    with socket.create_server(('127.0.0.1', 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(StoreUnavailableError, match='does not answer'):
            connect(PostgresSettings(f'postgresql://me@127.0.0.1:{port}/robots', timeout_s=2))


def test_a_database_that_is_not_there_is_refused(postgres_url):
    other = psycopg.conninfo.conninfo_to_dict(postgres_url)
    url = f'postgresql://{other["user"]}:{other.get("password", "")}@{other["host"]}:' \
          f'{other["port"]}/nowhere'
    with pytest.raises(StoreRefusedError, match='nowhere.*does not exist.*check TWINSIGHT_POST'):
        connect(PostgresSettings(url))


def refusal(settings, *statements):
    with connect(settings) as connection, pytest.raises(StoreRefusedError) as error, \
            postgres_errors(settings):
        for statement in statements:
            connection.execute(statement)
    return error.value


def test_a_lack_of_permission_says_what_to_do(postgres_url):
    settings = PostgresSettings(postgres_url)
    error = refusal(settings, 'SET ROLE pg_monitor', 'CREATE TABLE x ()')
    assert error.sqlstate == '42501'
    assert f'PostgreSQL at {settings.where} refuses (permission denied' in str(error)
    assert 'give the user of TWINSIGHT_POSTGRES_URL the right to it' in str(error)


def test_a_read_only_server_says_what_to_do(postgres_url):
    error = refusal(
        PostgresSettings(postgres_url), 'SET default_transaction_read_only = on',
        'CREATE TABLE x ()',
    )
    assert error.sqlstate == '25006'
    assert 'it is read-only' in str(error)


@pytest.mark.parametrize('code', ['53300', '57P01', '57P03', '57014', '40P01', '08006', '53200'])
def test_what_passes_is_that_it_does_not_answer(postgres_url, code):
    settings = PostgresSettings(postgres_url)
    with connect(settings) as connection, pytest.raises(StoreUnavailableError, match='it is so'), \
            postgres_errors(settings):
        raise_with(connection, code)


@pytest.mark.parametrize('code', ['53100', '42P01', '22003', '0A000'])
def test_what_stays_is_that_it_refuses(postgres_url, code):
    settings = PostgresSettings(postgres_url)
    with connect(settings) as connection, pytest.raises(StoreRefusedError, match='it is so'), \
            postgres_errors(settings):
        raise_with(connection, code)


def raise_with(connection, code):
    connection.execute(
        f"DO $$ BEGIN RAISE EXCEPTION 'it is so' USING ERRCODE = '{code}'; END $$"
    )


def test_a_url_may_say_its_own_application_name(postgres_url):
    separator = '&' if '?' in postgres_url else '?'
    settings = PostgresSettings(f'{postgres_url}{separator}application_name=mine')
    with connect(settings) as connection:
        assert connection.execute('SHOW application_name').fetchone() == ('mine',)
