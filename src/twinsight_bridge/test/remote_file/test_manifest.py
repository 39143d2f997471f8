"""The manifest of Foxglove's remote data loader, and the file that it names."""

from __future__ import annotations

import base64
from datetime import datetime
import io
import re
import time
from typing import Any
from urllib.parse import urljoin

from mcap.reader import make_reader
import pytest

from twinsight_store.channel import Channel

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.mark.parametrize('query', ['', '?robot=robot_05&from=1700000001&topic=/odom&topic=/image'])
def test_a_manifest_says_what_is_in_the_file_that_it_names(
    query: str, drive: Any, serve: Any
) -> None:
    client = serve()
    answer = client.get(f'/manifest{query}')
    assert answer.status_code == 200
    manifest = answer.json()
    [source] = manifest['sources']
    assert set(source) == {'url', 'id', 'topics', 'schemas', 'startTime', 'endTime'}
    file = client.get(urljoin(str(answer.url), source['url']))
    assert file.status_code == 200

    schemas = {each['id']: each for each in source['schemas']}
    topics = {each['name']: each for each in source['topics']}
    assert len(schemas) == len(source['schemas']) and len(topics) == len(source['topics'])
    times = []
    last: dict[str, Any] = {}
    for schema, channel, message in make_reader(io.BytesIO(file.content)).iter_messages():
        times.append(message.log_time)
        last[channel.topic] = schema
        assert topics[channel.topic]['messageEncoding'] == channel.message_encoding
    assert set(last) == set(topics)
    for topic, schema in last.items():
        named = schemas[topics[topic]['schemaId']]
        assert (named['name'], named['encoding']) == (schema.name, schema.encoding)
        assert base64.b64decode(named['data']) == schema.data
    for name, at_ns in (('startTime', min(times)), ('endTime', max(times))):
        assert source[name].endswith(f'.{at_ns % SECOND:09d}Z')
        moment = datetime.fromisoformat(source[name].replace('Z', '+00:00')[:26] + '+00:00')
        assert int(moment.timestamp()) == at_ns // SECOND
    assert '2023-11-14 22:13:2' in manifest['name']


def test_a_topic_without_schema_has_none_in_the_manifest(write: Any, serve: Any) -> None:
    write([(Channel('/raw', ''), T0, b'1')])
    [source] = serve().get('/manifest').json()['sources']
    assert source['topics'] == [{'name': '/raw', 'messageEncoding': 'cdr'}]
    assert source['schemas'] == []


def test_other_data_has_another_id_and_the_old_file_is_gone(
    drive: Any, write: Any, more: Any, remove: Any, serve: Any
) -> None:
    client = serve()
    [source] = client.get('/manifest').json()['sources']
    write(more(T0 + 20 * SECOND, 1))
    assert client.get(f'/{source["url"]}').status_code == 200  # it ends where it ended
    [grown] = client.get('/manifest').json()['sources']
    assert grown['id'] != source['id']

    remove('robot_05/points', T0 + SECOND, T0 + 2 * SECOND)
    assert client.get('/manifest').json()['sources'][0]['id'] not in (source['id'], grown['id'])
    for headers in ({}, {'Range': 'bytes=0-99'}):
        gone = client.get(f'/{grown["url"]}', headers=headers)
        assert gone.status_code == 410
        assert 'ask for its manifest again' in gone.text


def test_times_that_count_from_now_are_fixed_in_the_url(
    write: Any, more: Any, serve: Any
) -> None:
    write(more(time.time_ns() - 20 * SECOND, 6))
    client = serve()
    first_ns = time.time_ns()
    [source] = client.get('/manifest?from=-60s').json()['sources']
    last_ns = time.time_ns()
    found = re.search(r'[?&]from=(\d+)\.(\d{9})&', source['url'])
    assert found
    from_ns = int(found[1]) * SECOND + int(found[2])
    assert first_ns - 60 * SECOND <= from_ns <= last_ns - 60 * SECOND
