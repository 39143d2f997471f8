"""The file while data comes and goes: its ETag, and who reads on in what was opened."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
import io
import logging
import socket
import time
from typing import Any

import httpx
from mcap.reader import make_reader
import pytest

from twinsight_store.layout import CDR_ZSTD, Record

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


def part(client: httpx.Client, start: int, stop: int, **headers: str) -> httpx.Response:
    """Return the answer for a part of the file."""
    return client.get('/mcap', headers={'Range': f'bytes={start}-{stop - 1}', **headers})


def test_unchanged_data_is_the_same_file_also_after_a_restart(drive: Any, serve: Any) -> None:
    first, second = serve().get('/mcap'), serve().get('/mcap')
    assert first.headers['etag'] == second.headers['etag']
    assert not first.headers['etag'].startswith('W/')
    assert first.content == second.content
    client = serve()
    for time_text in ('1700000001.5', '2023-11-14T22:13:21.500Z', '2023-11-14T23:13:21.5%2B01:00'):
        client.get(f'/mcap?from={time_text}')
    tags = {client.head(f'/mcap?from={each}').headers['etag'] for each in (
        '1700000001.5', '2023-11-14T22:13:21.500Z', '2023-11-14T23:13:21.5%2B01:00',
    )}
    assert len(tags) == 1 and tags != {first.headers['etag']}


def test_other_data_is_another_file(
    drive: Any, write: Any, more: Any, remove: Any, serve: Any
) -> None:
    client = serve()
    opened = client.get('/mcap')
    etag = opened.headers['etag']
    assert client.get('/mcap', headers={'If-None-Match': etag}).status_code == 304
    assert part(client, 5, 50, **{'If-Range': etag}).content == opened.content[5:50]

    write(more(T0 + 20 * SECOND, 1))
    whole = part(client, 5, 50, **{'If-Range': etag})
    assert whole.status_code == 200
    assert len(whole.content) > len(opened.content)
    assert whole.headers['etag'] != etag
    assert client.get('/mcap', headers={'If-Match': etag}).status_code == 412
    assert client.get('/mcap', headers={'If-None-Match': etag}).content == whole.content

    for topic in ('odom', 'image', 'points', 'map'):
        remove(f'robot_05/{topic}', T0 + 15 * SECOND, T0 + 30 * SECOND)
    again = client.get('/mcap')
    assert (again.headers['etag'], again.content) == (etag, opened.content)


def test_data_outside_of_the_span_changes_nothing(
    drive: Any, write: Any, more: Any, serve: Any
) -> None:
    client = serve()
    span = {'from': '1700000001', 'to': '1700000003'}
    etag = client.get('/mcap', params=span).headers['etag']
    write(more(T0 + 20 * SECOND, 1))
    assert client.head('/mcap', params=span).headers['etag'] == etag


def test_a_file_that_is_open_stays_as_it_was_while_the_robot_records_on(
    drive: Any, write: Any, more: Any, channel: Any, serve: Any
) -> None:
    client = serve()
    opened = client.get('/mcap').content
    write(more(T0 + 6 * SECOND, 2))
    # A chunk that was still open while bigger messages of its topic were written already.
    write([(channel('/image'), T0 + 57 * SECOND // 10 + 5, b'late')])
    for start in (0, len(opened) // 2, len(opened) - 400_000):
        assert part(client, start, len(opened)).content == opened[start:]

    grown = client.get('/mcap').content
    assert len(grown) > len(opened)
    # What only grows keeps its chunks where they are: an old index is good for them.
    indexes = make_reader(io.BytesIO(opened)).get_summary().chunk_indexes  # type: ignore[union-attr]
    same = indexes[-3].chunk_start_offset
    assert grown[:same] == opened[:same]


def test_who_opens_a_file_at_once_shares_its_plan(drive: Any, serve: Any) -> None:
    client = serve(making=1, waiting=1)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.head('/mcap'), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers['etag'] for answer in answers}) == 1


def test_times_that_count_from_now_are_those_of_the_opening(
    write: Any, more: Any, serve: Any, store_settings: Any
) -> None:
    begin_ns = time.time_ns() - 60 * SECOND
    write(more(begin_ns, 10))
    client = serve()
    age_s = (time.time_ns() - begin_ns) / SECOND
    path = f'/mcap?from=-{age_s - 1:.3f}s&to=-1s'
    opened = client.get(path).content
    assert len(opened) > 1_000_000
    time.sleep(0.3)
    for start in range(0, len(opened), 1_000_000):
        answer = client.get(path, headers={'Range': f'bytes={start}-{start + 999_999}'})
        assert answer.content == opened[start:start + 1_000_000]


def test_a_record_that_is_gone_ends_the_answer_and_the_file(
    write: Any, more: Any, remove: Any, serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    write(more(seconds=12))
    client = serve()
    opened = client.get('/mcap').content
    remove('robot_05/points', T0 + 9 * SECOND, T0 + 10 * SECOND)
    got = b''
    with caplog.at_level(logging.WARNING), client.stream('GET', '/mcap', headers={
        'Range': 'bytes=0-',
    }) as answer, pytest.raises(httpx.RemoteProtocolError):
        for piece in answer.iter_bytes():
            got += piece
    assert opened.startswith(got) and len(got) > len(opened) / 2
    [line] = [each.message for each in caplog.records if 'the answer was cut' in each.message]
    assert 'records were added or are gone since it was opened: open it again' in line

    for _ in range(2):
        lost = part(client, 1_000_000, 1_000_100)
        assert lost.status_code == 409
        assert 'the data changed since the file was opened: open it again' in lost.text
    assert client.get('/mcap').status_code == 200
    assert part(client, 1_000_000, 1_000_100).status_code == 206


def test_a_compressed_message_that_cannot_be_read_is_left_out_when_that_is_known(
    write: Any, channel: Any, serve: Any, rows: Any, exported: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def spoil(record: Record) -> Record:
        assert record.content_type == CDR_ZSTD
        damaged = record.timestamp_us == T0 // 1000 + 3
        return record._replace(data=record.data[:-1] + b'?') if damaged else record

    where = channel('/image')
    messages = [(where, T0 + i * 1000, bytes(100_000)) for i in range(6)]
    write(messages, compression='zstd', spoil=spoil)
    client = serve(chunk_bytes=100_000)
    with caplog.at_level(logging.WARNING):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get('/mcap')
        assert any(
            'robot_05/image: the compressed message at 1700000000000003 µs cannot be read'
            in each.message for each in caplog.records
        )
        answer = client.get('/mcap')
    assert rows(answer.content) == exported()
    assert len(rows(answer.content)) == 5


def test_who_goes_away_makes_room_for_others(write: Any, channel: Any, serve: Any) -> None:
    where = channel('/image')
    write([(where, T0 + i * SECOND // 10, bytes(300_000)) for i in range(100)])
    client = serve(reading=1, waiting=5)
    with closing(socket.socket()) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        slow.connect((client.base_url.host, client.base_url.port))
        slow.sendall(b'GET /mcap HTTP/1.1\r\nHost: x\r\n\r\n')
        assert slow.recv(15) == b'HTTP/1.1 200 OK'
        with pytest.raises(httpx.ReadTimeout):
            client.get('/mcap', timeout=0.3)  # the other one takes nothing
    assert client.get('/mcap?topic=/image&to=1700000001').status_code == 200


def test_a_store_that_is_away_is_answered_with_503(
    reduct_server: Any, serve: Any
) -> None:
    reduct_server.stop()
    client = serve(url=reduct_server.url)
    answer = client.get('/mcap')
    assert answer.status_code == 503
    assert answer.headers['retry-after']
