"""One trial: the replay command, a ReductStore, and a process that listens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import json
import os
from pathlib import Path
import sys
import time
from typing import Any, NamedTuple

from twinsight_demo.child import executable

from bench.loads import Stream
from bench.process import busy_s, cpu_s, memory_of, Process, ROOT, shared_memory
from twinsight_interfaces.msg import ReplayStatus
from twinsight_store.connection import TOKEN_VARIABLE, URL_VARIABLE
from twinsight_tools.messages import ToolError
from twinsight_tools.private import PrivateServer
from twinsight_tools.ros_domain import own_ros_domain

from .arithmetic import interval_errors_ns, quantile, standstill_ns, waits
from .recording import Recording

READY_S = 40.0
END_S = 60.0
_WITHOUT_END_S = 0.3

Seen = dict[str, list[tuple[int, int]]]
"""Topic → number and arrival (Unix ns) of each message, in the order of arrival."""


class Cost(NamedTuple):
    """
    What playing took of the machine; a core is 1.

    replay        the process that plays, and the one that reads for it
    other_cores   what programs beside the benchmark took
    peak_bytes    most resident memory of either, added; DDS's shared segment included
    held_bytes    memory of both near the end, what they share with others divided by the sharers
    """

    replay: float
    store: float
    listener: float
    other_cores: float
    peak_bytes: int
    held_bytes: int


@dataclass(frozen=True)
class Played:
    """
    What became of one replay.

    report       what the command itself says (--json)
    statuses     state, messages and bytes in the queue, ten times a second
    """

    recording: Recording
    rate: float
    report: dict[str, Any]
    seen: Seen
    statuses: list[tuple[int, int, int]]
    cost: Cost

    def late_ms(self, name: str) -> float:
        """Return p50, p99 or max of publish time minus due time, as the command counted it."""
        return float(self.report[f'late_{name}_ns']) / 1e6

    def interval_errors_ms(self) -> list[float]:
        """Return by how much each interval at the listener differs from the recorded one."""
        return [
            error / 1e6
            for topic, seen in self.seen.items()
            for error in interval_errors_ns(self.recording.times_ns(topic), seen, self.rate)
        ]

    @property
    def lost(self) -> int:
        """Return how many messages did not come to the listener."""
        return self.recording.messages - sum(len(seen) for seen in self.seen.values())

    @property
    def standstill_ms(self) -> float:
        """Return how much longer playing took than what was recorded, over the rate."""
        times = [
            (recorded_ns[number], seen_ns)
            for topic, seen in self.seen.items()
            for recorded_ns in [self.recording.times_ns(topic)] for number, seen_ns in seen
        ]
        (first, first_seen), (last, last_seen) = min(times), max(times)
        return standstill_ns((first, last), (first_seen, last_seen), self.rate) / 1e6

    @property
    def waiting(self) -> tuple[int, int]:
        """Return periods of WAITING, and how many statuses said so."""
        return waits([state == ReplayStatus.WAITING for state, _, _ in self.statuses])

    @property
    def least_queued_bytes(self) -> float | None:
        """Return the least that was queued, but for the first and the last tenth of the time."""
        playing = [queued for state, _, queued in self.statuses if state == ReplayStatus.PLAYING]
        tenth = len(playing) // 10
        return quantile(playing[tenth:len(playing) - tenth], 0.0)


class Bench:
    """Where trials run: one private ReductStore, and a folder for logs."""

    def __init__(self, server: PrivateServer, folder: Path) -> None:
        self.server = server
        self.folder = folder

    @contextmanager
    def domain(self) -> Iterator[dict[str, str]]:
        """Give an environment with a ROS domain of its own: nothing before is discovered."""
        with own_ros_domain() as number:
            env = {
                **os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
                'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds.xml'),
                'ROS_DOMAIN_ID': str(number), 'ROS_HOME': str(self.folder),
                URL_VARIABLE: self.server.url,
            }
            env.pop(TOKEN_VARIABLE, None)
            yield env

    def process(self, name: str, command: Sequence[str], env: dict[str, str]) -> Process:
        """Return a process to be used in a with block."""
        return Process(name, command, env, self.folder / f'{name}.log')

    def listener(self, streams: Sequence[Stream], env: dict[str, str]) -> Process:
        """Return a process that listens to streams."""
        topics = json.dumps([(each.topic, each.type_name) for each in streams])
        return self.process(
            'listener', [sys.executable, '-m', 'bench.replay.listener', topics], env
        )

    def play(self, recording: Recording, rate: float, *options: str) -> Played:
        """
        Play a recording to a listener.

        options  more of the replay command

        Raises ToolError where a process fails.
        """
        with self.domain() as env, self.listener(recording.streams, env) as listener:
            listener.line(READY_S)  # it says "listening"
            command = replay_command(recording, '--rate', str(rate), *options)
            with self.process('replay', command, env) as replay:
                listener.line(READY_S, beside=replay)  # it says "began"
                cost = self._cost(replay, listener, recording.seconds / rate - _WITHOUT_END_S)
                report = json.loads(replay.output(recording.seconds / rate + END_S))
            seen, statuses = heard(listener)
        return Played(recording, rate, report, seen, statuses, cost)

    def _cost(self, replay: Process, listener: Process, seconds: float) -> Cost:
        """Return what is taken in the next seconds."""
        def taken() -> tuple[float, ...]:
            ours = replay.cpu_s(), cpu_s(self.server.pid), listener.cpu_s()
            others_s = busy_s() - sum(ours) - time.process_time()
            return *ours, others_s, time.monotonic()

        before = taken()
        time.sleep(seconds)
        *parts, took_s = (now - then for now, then in zip(taken(), before, strict=True))
        replay_s, store_s, listener_s, others_s = parts
        memories = [memory for pid in replay.tree() if (memory := memory_of(pid))]
        return Cost(
            replay_s / took_s, store_s / took_s, listener_s / took_s,
            max(0.0, others_s / took_s), sum(memory.peak for memory in memories),
            sum(map(shared_memory, replay.tree())),
        )


def heard(listener: Process) -> tuple[Seen, list[tuple[int, int, int]]]:
    """Return what a listener saw of topics and of the status."""
    listener.go()
    noted = json.loads(listener.line(END_S))
    seen = {
        topic: [(number, seen_ns) for number, seen_ns in each]
        for topic, each in noted['seen'].items()
    }
    if not any(seen.values()):
        raise ToolError('nothing came to the listener')
    return seen, [tuple(status) for status in noted['statuses']]


def replay_command(recording: Recording, *options: str) -> list[str]:
    """Return the command that replays a recording when there is a listener."""
    return executable(
        'twinsight_replay', 'replay', '--bucket', recording.settings.bucket, '--json',
        '--no-metrics', '--wait-for-subscribers', str(READY_S), *options,
    )
