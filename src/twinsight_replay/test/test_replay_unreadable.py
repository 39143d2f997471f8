"""The replay command where stored data cannot be read, or not published here."""

import asyncio
import json
import re
import signal

import pytest
from pytest_ros import wait_until

from twinsight_interfaces.msg import ReplayStatus
from twinsight_replay.episode import Episode
from twinsight_store import labels
from twinsight_store.connection import connect
from twinsight_store.layout import CDR, MCAP
from twinsight_store.open_timeline import TimelineSettings
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.selection import Selection

START_NS = 1_700_000_000_000_000_000
STEP_NS = 20_000_000
COUNT = 100
ENTRY = 'robot_05/odom'
AT_US = START_NS // 1000 + 1_000_000
OWN = labels.record_labels('robot_05', 'mission_42')


@pytest.fixture
def odom(channel, text, store):
    """Store numbers on /odom, 50 a second."""
    odom = channel('/odom')
    store([(odom, START_NS + n * STEP_NS, text(n)) for n in range(COUNT)])
    return odom


@pytest.fixture
def cut_chunk(odom, text):
    """Return a chunk that lacks its end, as a record's bytes and labels."""
    builder = RecordBuilder('robot_05', odom, OWN, ChunkRules())
    builder.add(AT_US * 1000, AT_US * 1000, 0, text('lost'))
    [record] = builder.flush()
    return record.data[:-9], dict(record.labels)


@pytest.fixture
def put(store_settings):
    """Return what stores a record by hand, as a program that is not ours might."""

    def put(timestamp_us, data, content_type, labels):
        async def work():
            async with connect(store_settings) as connection:
                bucket = await connection.bucket()
                await bucket.write(
                    ENTRY, data, timestamp_us, content_type=content_type, labels=labels
                )

        asyncio.run(work())

    return put


def test_what_cannot_be_read_is_named_and_counted_and_the_rest_is_played(
    operator, odom, text, put, cut_chunk
):
    put(AT_US + 1, cut_chunk[0], MCAP, cut_chunk[1])
    put(AT_US + 2, b'?' * 50, 'text/plain', OWN)
    put(AT_US + 3, text(-1), CDR, {**OWN, labels.RECEIVE_NS: 'noon'})
    operator.watch(odom)
    playing = operator.start('--json')
    assert playing.end(60) == 1  # as to_mcap: not all that is selected was played
    operator.settle(operator.has_finished)
    assert operator.texts('/odom') == [str(n) for n in range(COUNT)]
    told = playing.err.read_text()
    for number in (1, 2, 3):
        assert len(re.findall(f'{ENTRY}: .*{AT_US + number} µs', told)) == 1
    report = json.loads(playing.out.read_text())
    assert (report['published'], report['unreadable']) == (COUNT, 3)
    assert operator.status.unreadable == 3


def test_a_chunk_with_a_wrong_end_is_no_end_of_the_rest(
    store_settings, odom, text, put, cut_chunk
):
    put(AT_US + 1, cut_chunk[0], MCAP, {**cut_chunk[1], labels.END_US: 'noon'})
    bad = []
    settings = TimelineSettings(store_settings, on_bad_record=bad.append)
    with Episode(Selection(), settings) as episode:
        assert [each.data for each in episode] == [text(n) for n in range(COUNT)]
    assert len(bad) == 1


def test_messages_of_a_type_that_is_not_installed_are_counted_as_not_published(
    operator, channel, text, store
):
    strange, count = channel('/strange', 'strange_msgs/msg/Thing'), 60_000
    store([(strange, START_NS + n * 100_000, text(n)) for n in range(count)])
    playing = operator.start('--rate', 'inf', '--start-paused', '--stay')
    operator.wait_for(ReplayStatus.PAUSED)  # without a topic it waits for no subscriber
    operator.ask('resume')
    wait_until(operator.has_finished)
    assert {each.published for each in operator.messages('/replay/status')} == {0}
    assert {each.published_bytes for each in operator.messages('/replay/status')} == {0}
    assert operator.status.not_published == count
    assert playing.end(30, ask=signal.SIGINT) == 0  # it stayed
    playing = operator.start('--rate', 'inf')
    assert playing.end(60) == 1, playing.text()
