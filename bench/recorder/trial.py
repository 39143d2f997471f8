"""One trial: a load, one system that takes it, and what became of the messages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, ExitStack
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import re
import statistics
import sys
from tempfile import TemporaryDirectory
import time
import uuid

from bench.loads import Load
from bench.process import busy_s, cpu_s, Process
from twinsight_store.connection import connect, StoreSettings, URL_VARIABLE
from twinsight_store.layout import DEFAULT_SINGLE_RECORD_BYTES, entry_name
from twinsight_tools.private import PrivateServer
from twinsight_tools.ros_domain import own_ros_domain

from .probe import Probe
from .stored import Count, in_file, in_store, record_times

OURS, BAG, LIMIT = 'twinsight', 'MCAP file', 'reduct-py'
ROBOT = 'bench'

MATCH_TIMEOUT_S = 40.0
END_TIMEOUT_S = 60.0
LIMIT_TIMEOUT_S = 300.0
SETTLE_S = 1.6
"""After the last message is delivered, so that the last chunk (1 s) closes by itself."""

_SLOPE_FROM_S = 10.0
_FULL_RATE = 0.97
_PERCENTILES = {'p50': 50, 'p99': 99}


@dataclass
class Outcome:
    """
    What one system did with one load. Seconds, bytes, messages.

    published     what the publisher really sent; None where no ROS takes part
    publish_hz    its real rate, all topics together; for the limit the rate of writing
    full_rate     whether that is the rate that was asked for
    received      what the system says it received
    own_count     the sums of the recorder's own summary: received, stored, lost, dropped, …
    stored        read back: each published message at most once
    cpu_s         of the recording process since the first message, its end included
    store_cpu_s   of ReductStore in the same time
    other_cores   cores that programs beside this benchmark kept busy meanwhile
    ended_after_s from SIGINT to the end of the process: long where much was still waiting
    latency_ms    topic → p50, p99 of the time from publishing to being found by a question
    memory        samples: seconds since the first message, resident bytes, own bytes
    slope         own memory over time, bytes a second; None for a run that is short
    """

    load: str
    system: str
    asked: int
    seconds: float
    published: int | None = None
    publish_hz: float = 0.0
    full_rate: bool = True
    acknowledged: bool = True
    received: int | None = None
    own_count: dict[str, int] = field(default_factory=dict)
    stored: int = 0
    lost: int = 0
    duplicates: int = 0
    damaged: int = 0
    cpu_s: float = 0.0
    start_cpu_s: float = 0.0
    store_cpu_s: float | None = None
    publisher_cpu_s: float | None = None
    other_cores: float = 0.0
    peak_bytes: int | None = None
    end_bytes: int | None = None
    slope_bytes_s: float | None = None
    ended_after_s: float | None = None
    latency_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    memory: list[tuple[float, int, int]] = field(default_factory=list)

    @property
    def lossless(self) -> bool:
        """Return whether all that was published is stored, once and unchanged."""
        return self.lost == self.duplicates == self.damaged == 0

    @property
    def whole_cpu_s(self) -> float:
        """Return the processor time of the recording process, its start-up included."""
        return self.cpu_s + self.start_cpu_s

    @property
    def cpu_us(self) -> float | None:
        """Return the processor time (µs) of the recording process for a stored message."""
        return self.cpu_s / self.stored * 1e6 if self.stored else None


class Bench:
    """Where trials run: one private ReductStore, a folder, a ROS domain of their own."""

    def __init__(self, server: PrivateServer, folder: Path, profile: Path) -> None:
        self._server = server
        self._folder = folder
        self._env = {
            **os.environ,
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
            'FASTDDS_DEFAULT_PROFILES_FILE': str(profile),
            URL_VARIABLE: server.url,
        }
        self._env.pop('TWINSIGHT_REDUCT_TOKEN', None)

    def run(self, load: Load, system: str) -> Outcome:
        """Run one trial; ToolError where a process fails."""
        outcome = Outcome(load.name, system, load.asked, load.seconds)
        # A domain of its own each time: nothing of the trial before is still discovered. And a
        # home: nothing of it waits in a spool.
        with own_ros_domain() as number, TemporaryDirectory(dir=self._folder) as home:
            self._env['ROS_DOMAIN_ID'] = str(number)
            self._env['ROS_HOME'] = home
            if system == LIMIT:
                self._run_limit(load, outcome)
            elif system == BAG:
                self._run_bag(load, outcome)
            else:
                self._run_ours(load, outcome)
        return outcome

    def _run_ours(self, load: Load, outcome: Outcome) -> None:
        settings = StoreSettings(self._server.url, bucket=f'bench-{uuid.uuid4().hex[:12]}')
        parameters = {
            'robot_id': ROBOT, 'mission_id': load.name, 'store.bucket': settings.bucket,
            'topics.include': "['/bench/.*']",
        }
        command = [sys.executable, '-m', 'twinsight_recorder.recorder', '--ros-args']
        for name, value in parameters.items():
            command += ['-p', f'{name}:={value}']
        entries = {topic: entry_name(ROBOT, topic) for topic in probed_topics(load)}
        probes = {
            topic: Probe(self._server.url, settings.bucket, entry)
            for topic, entry in entries.items()
        }
        with self._bucket(settings), self._process('recorder', command, read=False) as recorder:
            sent = self._expose(load, recorder, outcome, list(probes.values()))
            outcome.own_count = _summary(recorder.log.read_text(errors='replace'))
            outcome.received = outcome.own_count.get('received')
            count = in_store(settings, sent, probes)
            self._settle(outcome, count)
            for topic, probe in probes.items():
                times = asyncio.run(record_times(settings, entries[topic]))
                outcome.latency_ms[topic] = percentiles(
                    probe.latencies_ms(times, count.times[topic])
                )

    def _run_bag(self, load: Load, outcome: Outcome) -> None:
        file = self._folder / f'{uuid.uuid4().hex}.mcap'
        command = self._own('--bag', load.to_json(), '--to', str(file))
        try:
            with self._process('bag', command) as recorder:
                sent = self._expose(load, recorder, outcome, [])
                outcome.store_cpu_s = None
                outcome.received = json.loads(recorder.line(1.0))['received']
            self._settle(outcome, in_file(file, sent))
        finally:
            file.unlink(missing_ok=True)

    def _run_limit(self, load: Load, outcome: Outcome) -> None:
        settings = StoreSettings(self._server.url, bucket=f'bench-{uuid.uuid4().hex[:12]}')
        command = self._own(
            '--limit', load.to_json(), '--to', settings.bucket, '--url', settings.url
        )
        with self._bucket(settings):
            before_s = cpu_s(self._server.pid)
            with self._process('limit', command) as writer:
                written = json.loads(writer.line(LIMIT_TIMEOUT_S))
                outcome.store_cpu_s = cpu_s(self._server.pid) - before_s
                outcome.stored = written['messages']
                outcome.publish_hz = written['messages'] / written['took_s']
                outcome.cpu_s = written['cpu_s']
                outcome.peak_bytes = writer.memory[-1].peak if writer.memory else None

    def _expose(
        self, load: Load, recorder: Process, outcome: Outcome, probes: Sequence[Probe]
    ) -> dict[str, int]:
        """Publish the load to a process, end it, note its costs; return what was sent."""
        with ExitStack() as stack:
            publisher = stack.enter_context(
                self._process('publisher', self._own('--publish', load.to_json()))
            )
            publisher.line(MATCH_TIMEOUT_S, beside=recorder)  # it says "matched"
            for probe in probes:
                stack.callback(probe.stop)
                probe.start()
            outcome.start_cpu_s, store_cpu_s = recorder.cpu_s(), cpu_s(self._server.pid)
            publisher_cpu_s, own_cpu_s = publisher.cpu_s(), time.process_time()
            machine_s, start_s = busy_s(), time.monotonic()
            publisher.go()
            report = json.loads(publisher.line(load.seconds + END_TIMEOUT_S, beside=recorder))
            time.sleep(SETTLE_S)
            end_s = time.monotonic()
            outcome.cpu_s = recorder.end(END_TIMEOUT_S) - outcome.start_cpu_s
            outcome.ended_after_s = time.monotonic() - end_s
            outcome.store_cpu_s = cpu_s(self._server.pid) - store_cpu_s
            outcome.publisher_cpu_s = publisher.cpu_s() - publisher_cpu_s
            ours_s = (
                outcome.cpu_s + outcome.store_cpu_s + outcome.publisher_cpu_s
                + time.process_time() - own_cpu_s
            )
            outcome.other_cores = max(
                (busy_s() - machine_s - ours_s) / (time.monotonic() - start_s), 0.0
            )
        sent: dict[str, int] = report['sent']
        outcome.published = sum(sent.values())
        outcome.publish_hz = outcome.published / report['took_s']
        outcome.full_rate = outcome.published >= _FULL_RATE * load.asked
        outcome.acknowledged = report['acknowledged']
        samples = [sample for sample in recorder.memory if sample.at_s >= start_s]
        outcome.peak_bytes = max((sample.peak for sample in samples), default=None)
        outcome.memory = [
            (round(each.at_s - start_s, 2), each.rss, each.anonymous) for each in samples
        ]
        running = [each for each in outcome.memory if each[0] <= end_s - start_s]
        outcome.end_bytes = running[-1][1] if running else None
        later = [each for each in running if _SLOPE_FROM_S <= each[0] <= load.seconds]
        if load.seconds >= 2 * _SLOPE_FROM_S and len(later) > 2:
            line = statistics.linear_regression(
                [each[0] for each in later], [each[2] for each in later]
            )
            outcome.slope_bytes_s = line.slope
        return sent

    def _settle(self, outcome: Outcome, count: Count) -> None:
        outcome.stored = count.unique
        outcome.lost = (outcome.published or 0) - count.unique
        outcome.duplicates = count.duplicates
        outcome.damaged = count.damaged

    def _process(self, name: str, command: Sequence[str], read: bool = True) -> Process:
        return Process(name, command, self._env, self._folder / f'{name}.log', read)

    def _own(self, *arguments: str) -> list[str]:
        return [sys.executable, '-m', 'bench.recorder', *arguments]

    @contextmanager
    def _bucket(self, settings: StoreSettings) -> Iterator[None]:
        """Remove a trial's bucket at its end: the disk holds one trial at a time."""
        async def remove() -> None:
            async with connect(settings) as connection:
                buckets = await connection.client.list()
                if any(bucket.name == settings.bucket for bucket in buckets):
                    await (await connection.bucket()).remove()

        try:
            yield
        finally:
            asyncio.run(remove())


def probed_topics(load: Load) -> list[str]:
    """Return the first topic with records of their own and the first with chunks."""
    found: dict[bool, str] = {}
    for stream in load.streams:
        found.setdefault(stream.size_bytes >= DEFAULT_SINGLE_RECORD_BYTES, stream.topic)
    return list(found.values())


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return p50 and p99; nothing for less than two values."""
    if len(values) < 2:
        return {}
    cuts = statistics.quantiles(values, n=100)
    return {name: cuts[percent - 1] for name, percent in _PERCENTILES.items()}


def _summary(text: str) -> dict[str, int]:
    """Return the sums of the recorder's summary at its end, by the titles of their columns."""
    titles: list[str] = []
    sums: dict[str, int] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split('[│┃]', line)]
        if 'received' in cells:
            titles = cells
        elif titles and 'all' in cells:
            row = zip(titles, cells, strict=False)
            sums = {title: int(cell) for title, cell in row if cell.isdecimal()}
    return sums
