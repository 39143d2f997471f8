"""The file of a selection: what readers see in it, whole and by range."""

from __future__ import annotations

from collections.abc import Callable
import io
from pathlib import Path
import random
from typing import Any

import httpx
from mcap.reader import make_reader, NonSeekingReader
import pytest
from rosbags.rosbag2 import Reader

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


class RemoteFile(io.RawIOBase):
    """A file that is read by range, as Foxglove does; ``got`` counts the bytes."""

    def __init__(self, client: httpx.Client, path: str) -> None:
        self._client, self._path = client, path
        opening = client.head(path)
        assert opening.headers['accept-ranges'] == 'bytes'
        self._size = int(opening.headers['content-length'])
        self._at = self.got = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end == self._at:
            return 0
        answer = self._client.get(self._path, headers={'Range': f'bytes={self._at}-{end - 1}'})
        assert answer.status_code == 206, answer.text
        assert answer.headers['content-range'] == f'bytes {self._at}-{end - 1}/{self._size}'
        size = len(answer.content)
        buffer[:size] = answer.content
        self._at += size
        self.got += size
        return size


def fetch(client: httpx.Client, path: str = '/mcap', **query: Any) -> bytes:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert int(answer.headers['content-length']) == len(answer.content)
    return answer.content


@pytest.mark.parametrize(('query', 'options'), [
    ({}, ()),
    ({'topic': ['/odom', '/p*']}, ('--topic', '/odom', '--topic', '/p*')),
    (
        {'robot': 'robot_05', 'from': '1700000001.5', 'to': '1700000004.020000001'},
        ('--robot', 'robot_05', '--from', '1700000001.5', '--to', '1700000004.020000001'),
    ),
])  # fmt: skip
def test_a_reader_sees_what_to_mcap_exports(
    query: dict[str, Any], options: tuple[str, ...], drive: Any, serve: Any, rows: Any,
    exported: Any,
) -> None:
    data = fetch(serve(), **query)
    found = rows(data)
    assert found == exported(*options)
    assert [row[1] for row in found] == sorted(row[1] for row in found)
    assert rows(data) == [
        (channel.topic, message.log_time, message.publish_time, message.sequence, message.data,
         (schema.name, schema.encoding, schema.data), 'cdr', sorted(channel.metadata.items()))
        for schema, channel, message in NonSeekingReader(
            io.BytesIO(data), validate_crcs=True
        ).iter_messages(log_time_order=False)
        if schema
    ]


def test_several_robots_and_compressed_messages_are_as_to_mcap_has_them(
    write: Any, more: Any, serve: Any, rows: Any, exported: Any
) -> None:
    write(more(), compression='zstd')
    write(more(T0 + SECOND, 2), robot='robot_06')
    found = rows(fetch(serve()))
    assert found == exported()
    assert {row[0] for row in found} > {'/robot_05/map', '/robot_06/map'}


def test_the_summary_counts_and_places_everything(drive: Any, serve: Any) -> None:
    data = fetch(serve())
    summary = make_reader(io.BytesIO(data), validate_crcs=True).get_summary()
    assert summary is not None and summary.statistics is not None
    statistics = summary.statistics
    times = [receive_ns for _, receive_ns, _ in drive]
    assert statistics.message_count == len(drive)
    assert sum(statistics.channel_message_counts.values()) == len(drive)
    assert (statistics.message_start_time, statistics.message_end_time) == (T0, max(times))
    assert statistics.channel_count == len(summary.channels) == 5
    assert statistics.schema_count == len(summary.schemas) == 2
    assert [each.name for each in summary.metadata_indexes] == ['rosbag2']  # QoS in numbers
    indexes = summary.chunk_indexes
    assert len(indexes) == statistics.chunk_count > 20
    assert all(each.uncompressed_size <= 300_000 for each in indexes)
    for before, after in zip(indexes, indexes[1:], strict=False):
        assert before.message_end_time <= after.message_start_time


def test_ranges_put_together_are_the_file(drive: Any, serve: Any) -> None:
    client = serve()
    data = fetch(client)
    chosen = random.Random(5)
    cuts = sorted({0, len(data), *(chosen.randrange(len(data)) for _ in range(25))})
    parts = [
        client.get('/mcap', headers={'Range': f'bytes={start}-{stop - 1}'})
        for start, stop in zip(cuts, cuts[1:], strict=False)
    ]
    assert {part.status_code for part in parts} == {206}
    assert b''.join(part.content for part in parts) == data
    for _ in range(25):
        start = chosen.randrange(len(data))
        size = chosen.choice((1, 40, 5000, 400_000))
        part = client.get('/mcap', headers={'Range': f'bytes={start}-{start + size - 1}'})
        assert part.content == data[start:start + size]
    assert client.get('/mcap', headers={'Range': 'bytes=-500'}).content == data[-500:]
    assert client.get('/mcap', headers={'Range': 'bytes=100-'}).content == data[100:]


def test_a_reader_seeks_in_it_over_http(drive: Any, serve: Any, rows: Any) -> None:
    client = serve()
    whole = len(fetch(client))
    file = RemoteFile(client, '/mcap/drive.mcap')
    reader = make_reader(io.BufferedReader(file))
    found = [
        (channel.topic, message.log_time, message.data)
        for _, channel, message in reader.iter_messages(
            ['/odom', '/image'], starting_at=T0 + 4 * SECOND, ending_before=T0 + 9 * SECOND // 2
        )
    ]
    asked = [
        (where.topic, at_ns, data) for where, at_ns, data in drive
        if where.topic in ('/odom', '/image')
        and T0 + 4 * SECOND <= at_ns < T0 + 9 * SECOND // 2
    ]
    assert sorted(found) == sorted(asked)
    assert file.got < whole / 4


def test_many_messages_of_one_time_are_cut_into_chunks_that_can_be_read_alone(
    write: Any, channel: Callable[..., Any], serve: Any, rows: Any
) -> None:
    where = [channel('/a'), channel('/b')]
    write([(where[i % 2], T0, i.to_bytes(2, 'little')) for i in range(3000)])
    client = serve(chunk_bytes=10_000)
    data = fetch(client)
    indexes = make_reader(io.BytesIO(data)).get_summary().chunk_indexes  # type: ignore[union-attr]
    assert len(indexes) > 9
    for each in indexes:
        start, stop = each.chunk_start_offset, each.chunk_start_offset + each.chunk_length
        part = client.get('/mcap', headers={'Range': f'bytes={start}-{stop - 1}'})
        assert part.content == data[start:stop]
    assert sorted(row[4] for row in rows(data)) == sorted(
        i.to_bytes(2, 'little') for i in range(3000)
    )


def test_rosbags_reads_it(drive: Any, serve: Any, tmp_path: Path) -> None:
    path = tmp_path / 'drive.mcap'
    path.write_bytes(fetch(serve()))
    with Reader(path) as bag:
        assert bag.message_count == len(drive)
        assert {each.topic for each in bag.connections} == {'/odom', '/image', '/points', '/map'}
        found = [(each.topic, at_ns, bytes(data)) for each, at_ns, data in bag.messages()]
    assert sorted(found) == sorted((where.topic, at_ns, data) for where, at_ns, data in drive)


def test_head_says_what_get_would_give(drive: Any, serve: Any) -> None:
    client = serve()
    head = client.head('/mcap', params={'robot': 'robot_05'}, headers={'Range': 'bytes=0-9'})
    get = client.get('/mcap', params={'robot': 'robot_05'}, headers={'Origin': 'https://x.example'})
    assert (head.status_code, head.content) == (200, b'')
    for name in ('content-length', 'content-type', 'etag', 'accept-ranges', 'cache-control'):
        assert head.headers[name] == get.headers[name]
    assert get.headers['access-control-expose-headers'] == 'Accept-Ranges'
    assert get.headers['content-disposition'] == 'attachment; filename="robot_05.mcap"'


@pytest.mark.parametrize(('query', 'status', 'text'), [
    ('robot=robot_99', 404, 'nothing matches robot robot_99'),
    ('robott=robot_05', 422, 'did you mean robot?'),
    ('from=yesterday', 422, "time 'yesterday'"),
    ('from=1700000001&to=1700000001', 422, 'is empty'),
])  # fmt: skip
def test_a_selection_that_cannot_be_is_answered_in_words(
    query: str, status: int, text: str, drive: Any, serve: Any
) -> None:
    client = serve()
    for path in ('/mcap', '/mcap/x.mcap', '/manifest'):
        answer = client.get(f'{path}?{query}')
        assert answer.status_code == status
        assert text in answer.text


def test_a_file_with_too_big_an_index_is_refused(drive: Any, serve: Any) -> None:
    answer = serve(plan_bytes=1000).get('/mcap')
    assert answer.status_code == 422
    assert 'from: the selection is too large for one file' in answer.text
