from __future__ import annotations

import asyncio
from collections.abc import Callable
import socket
import time
from typing import TYPE_CHECKING

import pytest
from reduct import Client
from reduct.error import ReductError

from twinsight_store.connection import connect, store_errors, StoreSettings, translated
from twinsight_store.errors import (
    ConfigurationError,
    NothingMatchedError,
    StoreRefusedError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store
    from twinsight_tools.private import PrivateServer

T0 = 1_763_900_000_000_000_000


@pytest.mark.parametrize('url', ['', 'localhost:8383', 'ftp://host', 'http://', '/run/socket'])
def test_an_address_that_is_none_is_refused_with_the_accepted_form(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        StoreSettings(url)
    assert f'TWINSIGHT_REDUCT_URL={url!r}' in str(error.value)
    assert 'http://HOST:PORT' in str(error.value)


def test_another_quota_type_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="quota_type 'LIFO': accepted are FIFO and HARD"):
        StoreSettings('http://h:1', quota_type='LIFO')


def test_settings_come_from_the_environment_and_the_caller() -> None:
    environment = {'TWINSIGHT_REDUCT_URL': 'http://h:1', 'TWINSIGHT_REDUCT_TOKEN': 'secret'}
    settings = StoreSettings.from_environment(environment, bucket='b')
    assert settings == StoreSettings('http://h:1', token='secret', bucket='b')


def test_without_address_the_variable_is_named() -> None:
    with pytest.raises(ConfigurationError, match='^TWINSIGHT_REDUCT_URL is not set: give the add'):
        StoreSettings.from_environment({})


def test_an_empty_token_is_no_token() -> None:
    environment = {'TWINSIGHT_REDUCT_URL': 'http://h:1', 'TWINSIGHT_REDUCT_TOKEN': ''}
    assert StoreSettings.from_environment(environment).token is None


def test_the_token_is_never_shown() -> None:
    assert 'secret' not in repr(StoreSettings('http://h:1', token='secret'))


@pytest.mark.parametrize('status', [-1, 429, 502, 503, 504])
def test_a_store_that_is_busy_may_be_asked_again(status: int) -> None:
    error = translated(StoreSettings('http://h:1'), ReductError(status, 'later'))
    assert isinstance(error, StoreUnavailableError)
    assert str(error).startswith('ReductStore at http://h:1 does not answer (later)')


@pytest.mark.parametrize('status', [400, 404, 409, 422, 500, 507])
def test_any_other_refusal_gives_its_reason_and_status(status: int) -> None:
    error = translated(StoreSettings('http://h:1'), ReductError(status, 'because'))
    assert isinstance(error, StoreRefusedError)
    assert error.status == status
    assert str(error) == f'ReductStore at http://h:1 refuses: because ({status})'


def test_a_store_that_is_away_is_named_with_what_to_do(
    store_at: Callable[..., Store], reduct_server: PrivateServer, make_builder: MakeBuilder
) -> None:
    reduct_server.stop()
    away = store_at(reduct_server.url)
    builder = make_builder(single_record_bytes=1)
    for attempt in (away.read, lambda: away.write(builder.add(T0, T0, 0, b'x'))):
        with pytest.raises(StoreUnavailableError) as error:
            attempt()
        text = str(error.value)
        assert text.startswith(f'ReductStore at {reduct_server.url} does not answer (')
        assert text.endswith('): start it, or set TWINSIGHT_REDUCT_URL')
        assert '\n' not in text


@pytest.mark.parametrize('token', ['wrong', None])
def test_a_wrong_token_is_answered_with_the_variable_to_set(
    store_at: Callable[..., Store], guarded_server: PrivateServer, make_builder: MakeBuilder,
    token: str | None,
) -> None:
    store = store_at(guarded_server.url, token=token)
    builder = make_builder(single_record_bytes=1)
    for attempt in (store.read, lambda: store.write(builder.add(T0, T0, 0, b'x'))):
        with pytest.raises(StoreRefusedError) as error:
            attempt()
        text = str(error.value)
        assert text.startswith(f'ReductStore at {guarded_server.url} refuses the token (401: ')
        assert text.endswith('): set TWINSIGHT_REDUCT_TOKEN')
        assert error.value.status == 401


def test_the_right_token_opens_the_store(
    store_at: Callable[..., Store], guarded_server: PrivateServer, make_builder: MakeBuilder
) -> None:
    store = store_at(guarded_server.url, token='right')
    store.write(make_builder(single_record_bytes=1).add(T0, T0, 0, b'x'))
    assert [message.data for message in store.read()] == [b'x']


def test_a_bucket_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(NothingMatchedError) as error:
        store.read()
    assert str(error.value) == (
        f'ReductStore at {store.settings.url} has no bucket {store.settings.bucket!r}: '
        'nothing was recorded there yet'
    )


def test_a_bucket_is_made_with_its_quota_and_later_left_as_it_is(
    store_at: Callable[..., Store], store_settings: StoreSettings, make_builder: MakeBuilder
) -> None:
    async def quota() -> tuple[str, int]:
        async with Client(store_settings.url) as client:
            bucket = await client.get_bucket(store_settings.bucket)
            settings = await bucket.get_settings()
            return settings.quota_type.value, settings.quota_size

    url, name = store_settings.url, store_settings.bucket
    builder = make_builder(single_record_bytes=1)
    store_at(url, bucket=name, quota_bytes=50_000_000).write(builder.add(T0, T0, 0, b'x'))
    assert asyncio.run(quota()) == ('FIFO', 50_000_000)
    store_at(url, bucket=name, quota_bytes=7, quota_type='HARD').write(
        builder.add(T0 + 1, T0, 0, b'y')
    )
    assert asyncio.run(quota()) == ('FIFO', 50_000_000)


@pytest.mark.skipif(not hasattr(socket, 'TCP_USER_TIMEOUT'), reason='Linux only')
def test_a_store_that_takes_no_bytes_and_stays_connected_is_away_after_the_timeout() -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        settings = StoreSettings(f'http://127.0.0.1:{server.getsockname()[1]}', timeout_s=1.0)

        async def work() -> None:
            async with connect(settings) as connection:
                with store_errors(settings):
                    await connection.client._http.request_all(
                        'POST', '/b/bucket/entry', data=bytes(50_000_000)
                    )

        begin_s = time.monotonic()
        with pytest.raises(StoreUnavailableError, match='does not answer'):
            asyncio.run(asyncio.wait_for(work(), 30))
        assert time.monotonic() - begin_s > 0.9
