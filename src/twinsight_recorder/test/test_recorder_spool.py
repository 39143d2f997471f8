"""The recorder's spool: a store that is away, SIGKILL, full disks, folders that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import re
import signal
import subprocess
import time
from typing import Any

import pytest
from pytest_ros import wait_until
from rclpy.qos import QoSProfile
from std_msgs.msg import String
from twinsight_demo.child import executable

from twinsight_recorder.raw.pump import KILL_LOSS_MS
from twinsight_store.connection import URL_VARIABLE
from twinsight_store.message import Message
from twinsight_tools.private import PrivateServer
from twinsight_tools.ros_domain import own_ros_domain

SOME = QoSProfile(depth=200)  # DDS asks what came every 3 s, and until then nothing may go
MANY = QoSProfile(depth=2000)
BIG = 70_000
"""Bytes of a message that is a record of its own."""


def memory(recorder: Any) -> int:
    """Return the most bytes of memory that a recorder has had."""
    status = Path(f'/proc/{recorder._process.pid}/status').read_text()
    [kilobytes] = re.findall(r'VmHWM:\s+(\d+) kB', status)
    return int(kilobytes) * 1024


def start(bench: Any, **parameters: object) -> Any:
    """Start a recorder, and forget what an earlier one said of itself."""
    bench.statuses.clear()
    return bench.start(
        **{
            'topics.include': '[/big, /small]', 'stop_timeout': 5.0,
            'spool.folder': str(bench.ros.folder / 'spool'), **parameters,
        }
    )


def begin(bench: Any, *feeds: Any) -> None:
    """Start feeds once the recorder is subscribed to them."""
    bench.wait_for_subscriber(*(feed._publisher for feed in feeds))
    for feed in feeds:
        feed.begin()


def wait_until_received(bench: Any, *feeds: Any) -> int:
    """Return a Unix time by which all was received (ns)."""
    for feed in feeds:
        feed.join()
        bench.wait_until_received(feed.topic, len(feed.published_ns))
    return time.time_ns()


def publish(feed: Any, numbers: range) -> None:
    """Publish some of a feed's messages in one go; memory has to have room for all of them."""
    for number in numbers:
        feed._publisher.publish(feed.bytes_of(number))
        time.sleep(0.003)


def numbers(bench: Any, feed: Any) -> list[int]:
    return [feed.number_in(message.data) for message in bench.stored(feed.topic)]


def counts(recorder: Any, topic: str) -> list[int]:
    """Return the numbers of a topic's row in the summary: received, stored, lost, dropped, …"""
    [row] = [line for line in recorder.text().splitlines() if line.startswith(f'│ {topic} ')]
    return [int(cell) for cell in row.split('│')[2:-2]]


def errors(recorder: Any) -> list[str]:
    return [line for line in recorder.text().splitlines() if '[ERROR]' in line]


def assert_as_they_arrived(messages: list[Message], feed: Any, until_ns: int) -> None:
    """Check order, bytes, sequence numbers without a gap, and times of all of a feed."""
    assert [feed.number_in(message.data) for message in messages] == list(range(len(messages)))
    first = messages[0].sequence
    assert [m.sequence for m in messages] == list(range(first, first + len(messages)))
    for message, published_ns in zip(messages, feed.published_ns, strict=True):
        assert published_ns <= message.publish_ns <= message.receive_ns <= until_ns
    times_ns = [message.receive_ns for message in messages]
    assert times_ns == sorted(times_ns)


@pytest.fixture
def feeds(own_bench: Any, feed: Any) -> Callable[..., Any]:
    """Return a function that makes a feed; all end with the test."""
    made = []

    def make(
        topic: str, size: int, rate_hz: float, most: int = 1_000_000, **more: object
    ) -> Any:
        made.append(feed(own_bench.publisher(topic, String, MANY), size, rate_hz, most, **more))
        return made[-1]

    yield make
    for each in made:
        if each._thread.ident is not None:
            each.end()


def test_three_times_the_memory_waits_on_disk_while_the_store_is_away(
    own_bench: Any, feeds: Any, spool_gate: Any, reduct_server: PrivateServer
) -> None:
    bench = own_bench
    reduct_server.stop()
    gate = spool_gate(bench, 1_000_000)
    big, small = feeds('/big', BIG, 80, 200, gate=gate), feeds('/small', 100, 160, 400, gate=gate)
    recorder = start(bench, memory_limit='4MB')
    bench.wait_for_subscriber(big._publisher, small._publisher)
    before = memory(recorder)
    begin(bench, big, small)
    received_ns = wait_until_received(bench, big, small)
    wait_until(lambda: bench.statuses[-1].spool_bytes > 12_000_000)
    assert all(status.queued_bytes <= 4_000_000 for status in bench.statuses)
    assert not any(status.spool_message for status in bench.statuses)
    assert memory(recorder) < before + 5 * 4_000_000
    reduct_server.start()
    wait_until(lambda: bench.topic('/big').stored + bench.topic('/small').stored == 600)
    assert memory(recorder) < before + 8 * 4_000_000
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
    assert counts(recorder, '/big')[:5] == [200, 200, 0, 0, 0]
    assert_as_they_arrived(bench.stored('/big'), big, received_ns)
    assert_as_they_arrived(bench.stored('/small'), small, received_ns)
    assert [path.name for path in (bench.ros.folder / 'spool').iterdir()] == ['lock']


def test_a_store_that_goes_while_what_waited_is_sent_gets_the_rest_later(
    own_bench: Any, feeds: Any, spool_gate: Any, reduct_server: PrivateServer
) -> None:
    bench = own_bench
    reduct_server.stop()
    gate = spool_gate(bench, 500_000)
    big, small = feeds('/big', BIG, 80, 200, gate=gate), feeds('/small', 100, 160, 400, gate=gate)
    recorder = start(bench, memory_limit='2MB')
    begin(bench, big, small)
    wait_until(lambda: bench.topic('/big').received > 60)
    reduct_server.start()
    wait_until(lambda: bench.topic('/big').stored > 0)
    reduct_server.kill()
    received_ns = wait_until_received(bench, big, small)
    reduct_server.start()
    wait_until(lambda: bench.topic('/big').stored + bench.topic('/small').stored == 600)
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
    assert_as_they_arrived(bench.stored('/big'), big, received_ns)
    assert_as_they_arrived(bench.stored('/small'), small, received_ns)


def killed_ns(bench: Any, recorder: Any, *feeds: Any) -> int:
    """Kill a recorder that the machine has not held up for a while; return when."""
    calm = 0  # so often in a row it had on disk all but what was published just now

    def late_ms(feed: Any) -> float:
        later = feed.published_ns[bench.spooled(feed):]
        return (time.time_ns() - later[0]) / 1e6 if later else 0.0

    def is_calm() -> bool:
        nonlocal calm
        calm = calm + 1 if all(late_ms(feed) < KILL_LOSS_MS - 100 for feed in feeds) else 0
        return calm > KILL_LOSS_MS / 10

    wait_until(is_calm, 60)
    now_ns = time.time_ns()
    recorder.kill()
    return now_ns


def lost_ms(bench: Any, feed: Any, kill_ns: int) -> float:
    """
    Check that what was published before a kill is there once, but for the bound.

    The order is not checked: at these rates DDS itself delivers some messages late.
    Returns how long before the kill the first message that is missing was published.
    """
    published = range(feed.first, feed.first + len(feed.published_ns))
    there = [number for number in numbers(bench, feed) if number in published]
    assert len(there) == len(set(there)), 'a message is there twice'
    assert len(there) > 20
    missing = sorted(set(published) - set(there))
    lost = [(kill_ns - feed.published_ns[number - feed.first]) / 1e6 for number in missing]
    assert not lost or max(lost) < KILL_LOSS_MS, f'{missing} are missing, published {lost} ms ago'
    return max([0.0, *lost])


def test_what_a_killed_recorder_accepted_while_the_store_was_away_is_sent_by_the_next(
    own_bench: Any, feeds: Any, spool_gate: Any, reduct_server: PrivateServer
) -> None:
    bench = own_bench
    reduct_server.stop()
    gate = spool_gate(bench, 250_000)
    big, small = feeds('/big', BIG, 80, gate=gate), feeds('/small', 100, 500, gate=gate)
    recorder = start(bench, memory_limit='1MB')
    begin(bench, big, small)
    wait_until(lambda: bench.topic('/big').received > 60)  # more than memory takes
    kill_ns = killed_ns(bench, recorder, big, small)
    big.end()
    small.end()
    reduct_server.start()
    recorder = start(bench, memory_limit='1MB')
    recorder.wait_for('messages of an earlier recorder were in the spool, 0 of them stored')
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
    print('lost (ms):', [lost_ms(bench, feed, kill_ns) for feed in (big, small)])
    messages = bench.stored('/small')
    assert all(m.publish_ns <= m.receive_ns <= kill_ns for m in messages)
    first = messages[0].sequence
    assert [m.sequence for m in messages] == list(range(first, first + len(messages)))


def test_three_sigkills_in_the_middle_of_writing_cost_no_more_than_the_bound(
    own_bench: Any, feed: Any
) -> None:
    ended = []
    for run in range(3):
        # A domain of its own each time: DDS goes on sending to a reader that was killed.
        with own_ros_domain() as number:
            domain = type(own_bench.ros)(number, own_bench.ros.folder)
            bench = type(own_bench)(domain, own_bench.settings)
            big = feed(bench.publisher('/big', String, SOME), 1_000_000, 30, first=1000 * run)
            small = feed(
                bench.publisher('/small', String, MANY), 1_000, 1_000, first=100_000 * run
            )
            recorder = start(bench)
            begin(bench, big, small)
            for each, enough in ((big, 30), (small, 1000)):
                wait_until(lambda: bench.topic(each.topic).stored > enough)  # noqa: B023
            kill_ns = killed_ns(bench, recorder, big, small)
            big.end()
            small.end()
            ended += [(big, kill_ns), (small, kill_ns)]
            domain.close()
    recorder = start(own_bench)
    recorder.wait_for('of them stored already')
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
    print('lost (ms):', [lost_ms(own_bench, *each) for each in ended])


def test_an_orderly_end_without_a_store_leaves_messages_to_the_next_and_says_so(
    own_bench: Any, feeds: Any, reduct_server: PrivateServer
) -> None:
    bench = own_bench
    reduct_server.stop()
    small = feeds('/small', 100, 500, 500)
    recorder = start(bench, stop_timeout=0.5)
    begin(bench, small)
    received_ns = wait_until_received(bench, small)
    wait_until(lambda: bench.spooled(small) == 500)
    assert recorder.end(30, ask=signal.SIGINT) == 1
    place = bench.ros.folder / 'spool'
    wait = f'wait in the spool {place}: the next recorder with this spool sends them'
    assert f'500 messages {wait}' in recorder.text()
    assert counts(recorder, '/small')[:2] == [500, 0]

    idle = start(bench, stop_timeout=0.5)  # the store is still away
    idle.wait_for('the spool holds messages of an earlier recorder: they are sent first')
    idle.wait_for('does not answer')
    assert idle.end(30, ask=signal.SIGINT) == 1
    assert f'messages of an earlier recorder {wait}' in idle.text()

    reduct_server.start()
    last = start(bench)
    last.wait_for('500 messages of an earlier recorder were in the spool, 0 of them stored')
    assert last.end(30, ask=signal.SIGINT) == 0
    assert_as_they_arrived(bench.stored('/small'), small, received_ns)


def test_open_chunks_do_not_fill_the_memory_that_arrivals_need(
    own_bench: Any, reduct_server: PrivateServer
) -> None:
    bench = own_bench
    reduct_server.stop()
    recorder = start(bench, memory_limit='400kB', **{'chunk.max_age': 60.0})
    publisher = bench.publisher('/small', String, SOME)
    bench.wait_for_subscriber(publisher)
    published = 0
    for most in (10, 9, 6):  # half of memory; what goes to disk; what needs room in memory
        for _ in range(most):
            publisher.publish(String(data='x' * 20_000))
        published += most
        bench.wait_until_received('/small', published)
        wait_until(lambda: bench.statuses[-1].queued_bytes < 220_000)
    reduct_server.start()
    assert recorder.end(30, ask=signal.SIGINT) == 0
    received, stored, lost, dropped, *_ = counts(recorder, '/small')
    assert (received, stored, lost, dropped) == (25, 25, 0, 0)


@pytest.mark.parametrize(
    ('when_full', 'memory_mb', 'spool_mb', 'first', 'total', 'some', 'happens'),
    [
        ('drop_oldest', 6, 1, 155, 275, 60, 'the oldest messages give way to new ones'),
        ('drop_newest', 4, 3, 105, 185, 25, 'new messages are dropped'),
    ],
)
def test_a_full_spool_drops_what_the_policy_says_and_counts_it(
    own_bench: Any, feeds: Any, reduct_server: PrivateServer, when_full: str, memory_mb: int,
    spool_mb: int, first: int, total: int, some: int, happens: str,
) -> None:
    """The first messages fill half of memory; the others, on disk only, the spool and more."""
    bench = own_bench
    reduct_server.stop()
    big = feeds('/big', 20_000, 100)
    recorder = start(bench, memory_limit=f'{memory_mb}MB', **{
        'spool.size': f'{spool_mb}MB', 'spool.when_full': when_full,
    })
    bench.wait_for_subscriber(big._publisher)
    for part in (range(first), range(first, total)):
        publish(big, part)
        bench.wait_until_received('/big', part.stop)
    wait_until(lambda: bench.topic('/big').dropped > some)
    message = f'full ({spool_mb}000000 bytes); {happens}'
    wait_until(lambda: bench.statuses[-1].spool_message.endswith(message))
    assert all(status.spool_bytes <= spool_mb * 1_000_000 for status in bench.statuses)
    reduct_server.start()
    wait_until(lambda: bench.topic('/big').stored + bench.topic('/big').dropped == total)
    assert recorder.end(30, ask=signal.SIGINT) == 1
    assert len([line for line in errors(recorder) if message in line]) == 1
    received, stored, lost, dropped, refused, *_ = counts(recorder, '/big')
    assert (received, lost, refused) == (total, 0, 0)
    assert stored + dropped == total
    there = numbers(bench, big)
    assert len(there) == stored
    if when_full == 'drop_newest':
        assert there == list(range(stored))
        assert stored > 140  # a spool full of them
    else:
        in_memory = next(place for place, number in enumerate(there) if number != place)
        assert in_memory <= first
        assert there[in_memory:] == list(range(total - stored + in_memory, total))
        assert stored - in_memory > 40


def test_a_stream_that_is_dropped_first_leaves_the_spool_to_the_others(
    own_bench: Any, feeds: Any, reduct_server: PrivateServer, tmp_path: Path
) -> None:
    bench = own_bench
    file = tmp_path / 'recorder.yaml'
    file.write_text(
        '/**: {ros__parameters: {streams: {pictures: {topics: [/big], drop_first: true}}}}\n'
    )
    reduct_server.stop()
    big, small = feeds('/big', 20_000, 100), feeds('/small', 100, 100, 200)
    bench.statuses.clear()
    recorder = bench.start(
        '--params-file', str(file),
        **{'topics.include': '[/big, /small]', 'memory_limit': '4MB', 'spool.size': '3MB'},
    )
    bench.wait_for_subscriber(big._publisher)
    publish(big, range(105))  # half of memory; what comes then is on disk only
    bench.wait_until_received('/big', 105)
    begin(bench, small)
    publish(big, range(105, 180))
    bench.wait_until_received('/big', 180)
    wait_until_received(bench, small)
    recorder.wait_for('messages of streams with drop_first are dropped')
    reduct_server.start()
    wait_until(lambda: bench.topic('/small').stored == 200)
    wait_until(lambda: bench.topic('/big').stored + bench.topic('/big').dropped == 180)
    assert recorder.end(30, ask=signal.SIGINT) == 1
    assert numbers(bench, small) == list(range(200))
    there = numbers(bench, big)
    assert there == list(range(len(there)))
    assert 100 < len(there) < 140  # three quarters of the spool
    assert counts(recorder, '/big')[:4] == [180, len(there), 0, 180 - len(there)]


def test_a_folder_that_cannot_be_used_is_one_line_and_recording_goes_on_in_memory(
    own_bench: Any, feeds: Any, reduct_server: PrivateServer, tmp_path: Path
) -> None:
    bench = own_bench
    reduct_server.stop()
    place = tmp_path / 'taken'
    place.write_text('a file')
    small = feeds('/small', 1_000, 100, 300)
    recorder = start(bench, **{'spool.folder': str(place)})
    begin(bench, small)
    received_ns = wait_until_received(bench, small)
    line = f'spool {place}: not a folder; messages wait in memory only'
    assert bench.statuses[-1].spool_message == line
    reduct_server.start()
    wait_until(lambda: bench.topic('/small').stored == 300)
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
    assert len([each for each in errors(recorder) if line in each]) == 1
    assert_as_they_arrived(bench.stored('/small'), small, received_ns)


def test_a_folder_that_another_recorder_uses_is_one_line_and_taken_over_later(
    own_bench: Any, feeds: Any, reduct_server: PrivateServer
) -> None:
    bench = own_bench
    reduct_server.stop()
    small = feeds('/small', 100, 100)
    first = start(bench)
    begin(bench, small)
    wait_until(lambda: bench.topic('/small').received > 50)
    second = start(bench, robot_id='robot_06')
    second.wait_for('spool: another process uses it; give each recorder a folder of its own')
    wait_until(lambda: bench.statuses and bench.statuses[-1].robot_id == 'robot_06')
    first.kill()
    small.end()
    reduct_server.start()
    small_2 = feeds('/small', 100, 100)
    small_2.begin()  # the spool is looked at when there is something for it
    second.wait_for('messages of an earlier recorder were in the spool')
    assert second.end(30, ask=signal.SIGINT) == 0, second.text()
    assert len([each for each in errors(second) if 'another process uses it' in each]) == 1
    robots = {message.labels['robot_id'] for message in bench.stored('/small')}
    assert robots == {'robot_05', 'robot_06'}
    there = [
        small.number_in(message.data)
        for message in bench.stored('/small', robots=('robot_05',))
    ]
    assert there == list(range(len(there)))
    assert len(there) > 50


def can_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(
        ['unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt'], capture_output=True
    ).returncode == 0


@pytest.mark.skipif(not can_mount(), reason='mounting a small disk needs root')
def test_a_disk_that_fills_up_loses_nothing_that_memory_can_hold(
    own_bench: Any, feeds: Any, reduct_server: PrivateServer, tmp_path: Path
) -> None:
    bench = own_bench
    reduct_server.stop()
    disk = tmp_path / 'disk'
    disk.mkdir()
    big = feeds('/big', 50_000, 40, 200)
    parameters = {
        'robot_id': 'robot_05', 'mission_id': 'A', 'store.bucket': bench.settings.bucket,
        'topics.include': '[/big, /small]', 'memory_limit': '4MB',
        'spool.folder': str(disk / 'spool'),
    }
    words = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
    recorder = bench.ros.run('recorder', [
        'unshare', '-m', 'sh', '-c',
        f'mount -t tmpfs -o size=4m none {disk} && head -c 2m /dev/zero > {disk}/other'
        ' && exec "$@"',
        'sh', *executable('twinsight_recorder', 'recorder', '--ros-args', *words),
    ], **{URL_VARIABLE: bench.settings.url})
    bench.wait_for_subscriber(big._publisher)
    publish(big, range(60))  # more than the disk takes
    wait_until(lambda: bench.statuses and bench.statuses[-1].spool_message)
    assert bench.statuses[-1].spool_message == (
        f'spool {disk}/spool: No space left on device; messages wait in memory only'
    )
    bench.wait_until_received('/big', 60)
    publish(big, range(60, 200))  # more than memory takes
    bench.wait_until_received('/big', 200)
    wait_until(lambda: bench.topic('/big').dropped > 0)
    dropped = bench.topic('/big').dropped
    assert dropped < 200 - (2_000_000 + 1_500_000) // 50_000
    Path(f'/proc/{recorder._process.pid}/root{disk}/other').unlink()
    later = feeds('/small', 100, 100, 600)
    begin(bench, later)
    wait_until(lambda: not bench.statuses[-1].spool_message)
    reduct_server.start()
    wait_until(lambda: bench.topic('/big').stored == 200 - dropped)
    later.join()
    assert recorder.end(30, ask=signal.SIGINT) == 1
    assert 'the spool takes messages again' in recorder.text()
    assert counts(recorder, '/big')[:4] == [200, 200 - dropped, 0, dropped]
    assert numbers(bench, big) == list(range(200 - dropped))
