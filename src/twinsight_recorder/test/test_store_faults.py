"""The recorder before a real store that answers badly, late, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
import re
import signal
import threading
from typing import Any

import pytest
from pytest_ros import wait_until
from rclpy.qos import QoSProfile
from std_msgs.msg import String

from twinsight_interfaces.msg import RecorderStatus
from twinsight_store.read import read
from twinsight_store.selection import Selection
from twinsight_tools.private import PrivateServer

DEEP = QoSProfile(depth=1000)
_WRITE = re.compile(rb'POST \S+/write HTTP')


class FaultyProxy:
    """
    Stands before a store and does as it is told; it runs in a thread.

    fault(head) is asked for each request with its head, and returns what becomes of it:
      None     it is passed on
      a number it is answered with this status, and not passed on
      'hang'   nothing more is read, and no answer comes, but the connection stays open
      'cut'    half of its body is passed on, then both connections are ended
    delay_s  before each answer
    held     while it is set, requests wait
    writes   how many requests to write were seen
    """

    def __init__(self, url: str) -> None:
        self.fault: Callable[[bytes], object] = lambda head: None
        self.delay_s = 0.0
        self.held = False
        self.writes = 0
        self._port = int(url.rsplit(':', 1)[1])
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(30)

    def close(self) -> None:
        """End all connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, '127.0.0.1', 0, limit=100_000)
        )
        self.url = f'http://127.0.0.1:{server.sockets[0].getsockname()[1]}'
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.set_exception_handler(lambda *_: None)  # tasks that are ended by force
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        store, to_store = await asyncio.open_connection('127.0.0.1', self._port)
        answers = asyncio.create_task(self._answer(store, to_client))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await client.readuntil(b'\r\n\r\n')
                found = re.search(rb'content-length: (\d+)', head, re.IGNORECASE)
                size = int(found[1]) if found else 0
                self.writes += bool(_WRITE.match(head))
                fault = self.fault(head)
                if fault == 'hang':
                    await asyncio.sleep(1000)
                if fault == 'cut':
                    to_store.write(head + await client.readexactly(size // 2))
                    await to_store.drain()
                    break
                body = await client.readexactly(size)
                while self.held:
                    await asyncio.sleep(0.01)
                if fault is None:
                    to_store.write(head + body)
                    await to_store.drain()
                else:
                    to_client.write(
                        f'HTTP/1.1 {fault} Told\r\ncontent-length: 0\r\n'
                        f'x-reduct-error: as told: {fault}\r\n\r\n'.encode()
                    )
        answers.cancel()
        to_store.close()
        to_client.close()

    async def _answer(
        self, store: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        with suppress(ConnectionError):
            while data := await store.read(1_000_000):
                await asyncio.sleep(self.delay_s)
                to_client.write(data)
                await to_client.drain()


def first(faults: list[object], wanted: Callable[[bytes], object]) -> Callable:
    """Return what does harm to the first requests that are wanted, then to none."""
    left = list(faults)
    return lambda head: left.pop(0) if left and wanted(head) else None


def is_write(head: bytes) -> bool:
    """Tell records from descriptions of channels."""
    return bool(_WRITE.match(head)) and b'meta' not in head


def is_bad_write(head: bytes) -> bool:
    return is_write(head) and b'%2Fbad' in head  # a bucket's name may have the letters too


def counts(recorder: Any, topic: str) -> list[int]:
    """Return the numbers of a topic's row in the summary."""
    [row] = [line for line in recorder.text().splitlines() if line.startswith(f'│ {topic} ')]
    return [int(cell) for cell in row.split('│')[2:-2]]


def assert_all_there(bench: Any, *feeds: Any) -> None:
    """Check that each message is in the store, once, in order; past the proxy."""
    for feed in feeds:
        found = [
            feed.number_in(message.data)
            for message in read(Selection(topics=(feed.topic,)), bench.direct)
        ]
        assert found == list(range(len(feed.published_ns)))


@pytest.fixture
def proxy(shared_reduct_server: PrivateServer) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(shared_reduct_server.url)
    yield proxy
    proxy.close()


@pytest.fixture
def faulty(bench: Any, proxy: FaultyProxy) -> Any:
    """Return a robot's node whose recorder meets the store through the proxy."""
    bench.direct = bench.settings
    bench.settings = replace(bench.settings, url=proxy.url)
    return bench


@pytest.fixture
def start(faulty: Any, feed: Any) -> Callable[..., Any]:
    """Return a function that starts a recorder and feeds, all of which end with the test."""
    made: list[Any] = []

    def run(
        *streams: tuple[str, int, float, int], gate: Any = None, **parameters: object
    ) -> Any:
        recorder = faulty.start(**{
            'topics.include': '[/good, /bad]', 'stop_timeout': 5.0, **parameters,
        })
        feeds = [
            feed(faulty.publisher(topic, String, DEEP), size, rate_hz, most, gate=gate)
            for topic, size, rate_hz, most in streams
        ]
        faulty.wait_for_subscriber(*(each._publisher for each in feeds))
        made.extend(each.begin() for each in feeds)
        return recorder, *feeds

    yield run
    for each in made:
        each.end()


def wait_until_stored(bench: Any, *feeds: Any, timeout_s: float = 40.0) -> None:
    for feed in feeds:
        feed.join()
        wait_until(lambda: bench.topic(feed.topic).stored == len(feed.published_ns), timeout_s)  # noqa: B023


def test_requests_that_fail_now_and_then_are_repeated_and_nothing_is_lost(
    faulty: Any, start: Callable, proxy: FaultyProxy
) -> None:
    proxy.fault = first([500, 503, 409, None, 500, 500], is_write)
    recorder, good = start(('/good', 1_000, 200, 400))
    wait_until_stored(faulty, good)
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
    assert 'refuses: as told: 500 (500); recording goes on' in recorder.text()
    assert 'ReductStore takes records again' in recorder.text()
    assert_all_there(faulty, good)


def test_a_record_at_which_the_store_always_fails_is_given_up_alone(
    faulty: Any, start: Callable, proxy: FaultyProxy
) -> None:
    proxy.fault = lambda head: 500 if is_bad_write(head) else None
    recorder, good, bad = start(('/good', 1_000, 100, 300), ('/bad', 100, 10, 1))
    wait_until(lambda: faulty.topic('/bad').refused == 1, 40)
    wait_until_stored(faulty, good)
    assert recorder.end(30, ask=signal.SIGINT) == 1
    assert counts(recorder, '/bad')[:5] == [1, 0, 0, 0, 1]
    assert_all_there(faulty, good)


def test_records_that_the_store_will_not_have_are_counted_and_the_others_are_stored(
    faulty: Any, start: Callable, proxy: FaultyProxy
) -> None:
    proxy.fault = lambda head: 422 if is_bad_write(head) else None
    recorder, good, bad = start(('/good', 1_000, 100, 300), ('/bad', 70_000, 20, 5))
    wait_until(lambda: faulty.topic('/bad').refused == 5)
    wait_until_stored(faulty, good)
    assert recorder.end(30, ask=signal.SIGINT) == 1
    assert 'refuses: as told: 422 (422); recording goes on' in recorder.text()
    assert counts(recorder, '/bad')[:5] == [5, 0, 0, 0, 5]
    assert_all_there(faulty, good)


def test_a_store_whose_disk_is_full_is_waited_for(
    faulty: Any, start: Callable, proxy: FaultyProxy, spool_gate: Any
) -> None:
    proxy.fault = lambda head: 507 if is_write(head) else None
    gate = spool_gate(faulty, 500_000)
    recorder, good = start(('/good', 100_000, 60, 100), gate=gate, memory_limit='2MB')
    good.join()
    wait_until(lambda: faulty.statuses[-1].spool_bytes > 8_000_000)
    wait_until(lambda: faulty.statuses[-1].store == RecorderStatus.STORE_REFUSING)
    assert 'as told: 507' in faulty.statuses[-1].store_message
    assert faulty.topic('/good').refused == faulty.topic('/good').dropped == 0
    proxy.fault = lambda head: None
    wait_until_stored(faulty, good)
    wait_until(lambda: faulty.statuses[-1].store == RecorderStatus.STORE_OK)
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
    assert_all_there(faulty, good)


def test_a_slow_store_gets_everything_and_memory_stays_bounded(
    faulty: Any, start: Callable, proxy: FaultyProxy, spool_gate: Any
) -> None:
    proxy.delay_s, proxy.held = 1.0, True
    recorder, good = start(
        ('/good', 100_000, 60, 60), gate=spool_gate(faulty, 1_000_000), memory_limit='4MB',
        stop_timeout=30.0,
    )
    good.join()
    wait_until(lambda: faulty.topic('/good').received == 60)
    assert faulty.topic('/good').waiting > 0
    proxy.held = False
    assert recorder.end(40, ask=signal.SIGINT) == 0, recorder.text()
    assert all(status.queued_bytes <= 4_000_000 for status in faulty.statuses)
    assert not any(status.store_message for status in faulty.statuses)
    assert_all_there(faulty, good)


@pytest.mark.parametrize('size', [1_000, 1_000_000])
def test_a_store_that_hangs_counts_as_away_after_the_timeout_until_it_answers(
    faulty: Any, start: Callable, proxy: FaultyProxy, size: int
) -> None:
    recorder, good = start(('/good', size, 20, 100), **{'store.timeout': 2.0})
    wait_until(lambda: faulty.topic('/good').stored > 0)
    proxy.fault = lambda head: 'hang'
    waiting = RecorderStatus.STORE_WAITING
    wait_until(lambda: faulty.statuses[-1].store == waiting, 20)  # where none is set it is 30 s
    assert 'does not answer' in faulty.statuses[-1].store_message
    proxy.fault = lambda head: None
    wait_until_stored(faulty, good)
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
    assert_all_there(faulty, good)


def test_a_connection_that_is_cut_in_the_middle_of_a_request_costs_nothing(
    faulty: Any, start: Callable, proxy: FaultyProxy
) -> None:
    seen = []

    def every_fourth(head: bytes) -> object:
        if is_write(head):
            seen.append(head)
            return 'cut' if len(seen) % 4 == 1 and len(seen) < 40 else None
        return None

    proxy.fault = every_fourth
    recorder, good, bad = start(('/good', 70_000, 50, 150), ('/bad', 1_000, 200, 600))
    wait_until_stored(faulty, good, bad)
    assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()
    assert len(seen) > 1  # the first was cut
    assert_all_there(faulty, good, bad)


def test_a_recovery_from_the_spool_outlives_a_store_that_fails(
    faulty: Any, start: Callable, proxy: FaultyProxy
) -> None:
    proxy.fault = lambda head: 503
    recorder, good = start(('/good', 1_000, 200, 300), stop_timeout=0.0)
    good.join()
    wait_until(lambda: faulty.spooled(good) == 300)
    recorder.kill()
    proxy.fault = first([503] * 4, lambda head: b'/q HTTP' in head or b'/read HTTP' in head)
    again, _ = start(('/bad', 100, 10, 1))
    again.wait_for('300 messages of an earlier recorder were in the spool, 0 of them stored')
    assert again.end(30, ask=signal.SIGINT) == 0, again.text()
    assert_all_there(faulty, good)
