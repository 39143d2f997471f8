"""Where trials run: a ROS domain of its own, a source, the bridge, viewers and a subscriber."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, ExitStack, suppress
import json
import os
from pathlib import Path
import re
import sys
import time
from typing import Any, NamedTuple
import urllib.request

from twinsight_demo.child import executable

from bench.loads import Load
from bench.others import Others
from bench.process import Process, ROOT
from twinsight_tools.ros_domain import own_ros_domain

from .source import ROS, SDK

READY_S = 60.0
END_S = 60.0
DRAIN_S = 1.5
"""What comes later than this after the last message was sent does not count."""


class Sent(NamedTuple):
    """What a source has sent: messages by topic, and in how many seconds."""

    by_topic: dict[str, int]
    took_s: float

    @property
    def messages(self) -> int:
        """Return the messages of all topics."""
        return sum(self.by_topic.values())

    @property
    def hz(self) -> float:
        """Return the messages a second of all topics."""
        return self.messages / self.took_s


class Viewer(NamedTuple):
    """A viewer that has subscribed, and the port that it comes from."""

    process: Process
    port: int


class Stage:
    """
    Starts processes; all of them end with the block that stage() gives it for.

    server  the process that serves viewers: the bridge, or a source with foxglove-sdk alone
    """

    def __init__(self, stack: ExitStack, env: dict[str, str], folder: Path) -> None:
        """Make one; logs go into the folder."""
        self._stack = stack
        self._env = env
        self._folder = folder
        self._started: list[Process] = []
        self._url = ''

    def through_ros(self, load: Load, subscribers: int) -> Process:
        """
        Start the bridge, and a source of ROS topics; return the source.

        subscribers  of each topic that the source waits for, the bridge among them
        """
        source = self._source(ROS, load, subscribers)
        source.line(READY_S)
        command = executable(
            'twinsight_bridge', 'bridge', '--ros-args', '-p', 'port:=0',
            '-p', 'address:=127.0.0.1',
        )
        self.server = self._start('bridge', command, read=False)
        # In order: a process that is killed leaves DDS's shared memory behind.
        self._stack.callback(_end, self.server)
        self.server.wait_for(' in Foxglove', READY_S)
        [self._url] = re.findall(r'open (ws://\S+) in Foxglove', self.server.log.read_text())
        return source

    def without_ros(self, load: Load, subscribers: int) -> Process:
        """Start a source that is a server of foxglove-sdk; return it."""
        source = self.server = self._source(SDK, load, subscribers)
        self._url = f'ws://127.0.0.1:{json.loads(source.line(READY_S))["port"]}'
        return source

    def viewers(self, load: Load, count: int, *options: str) -> list[Viewer]:
        """Return so many viewers of all topics, which have subscribed."""
        topics = json.dumps([stream.topic for stream in load.streams])
        command = [sys.executable, '-m', 'bench.bridge.viewer', self._url, topics, *options]
        processes = [self._start('viewer', command) for _ in range(count)]
        return [
            Viewer(each, json.loads(each.line(READY_S, beside=self.server))['subscribed'])
            for each in processes
        ]

    def listener(self, load: Load) -> Process:
        """Return a plain subscriber of all topics, which listens."""
        topics = json.dumps([(each.topic, each.type_name) for each in load.streams])
        process = self._start('listener', [sys.executable, '-m', 'bench.bridge.listener', topics])
        process.line(READY_S)
        return process

    def others(self) -> Others:
        """Begin to watch what programs beside the benchmark take."""
        return Others([process.cpu_s for process in self._started])

    def said_of_viewers(self) -> list[dict[str, Any]]:
        """Return what the bridge says of those who are connected."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(self._url.replace('ws', 'http', 1) + '/viewers', timeout=5.0) as page:
            said: list[dict[str, Any]] = json.load(page)
        return said

    def _source(self, to: str, load: Load, subscribers: int) -> Process:
        return self._start('source', [
            sys.executable, '-m', 'bench.bridge.source', to, load.to_json(), str(subscribers)
        ])

    def _start(self, name: str, command: Sequence[str], read: bool = True) -> Process:
        log = self._folder / f'{name}_{len(self._started)}.log'
        process = self._stack.enter_context(Process(name, command, self._env, log, read))
        self._started.append(process)
        return process


def _end(process: Process) -> None:
    with suppress(ChildProcessError):  # it has ended by itself, which was said elsewhere
        process.end(END_S)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Give a stage in a ROS domain of its own: nothing of the trial before is still there."""
    with own_ros_domain() as number, ExitStack() as stack:
        yield Stage(stack, {
            **os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
            'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds.xml'),
            'ROS_DOMAIN_ID': str(number), 'ROS_HOME': str(folder),
        }, folder)


def sent_by(source: Process, seconds: float) -> Sent:
    """Return what a source says that it has sent, when what is under way has arrived too."""
    said = json.loads(source.line(seconds + END_S))
    time.sleep(DRAIN_S)
    return Sent(said['sent'], said['took_s'])


def lost_by(said: dict[str, Any]) -> int:
    """Return the messages that a viewer lost, by what the bridge says of it."""
    return sum(each['messages'] for each in said['lost'].values())


def report_of(process: Process) -> dict[str, Any]:
    """Return what a viewer or a listener noted."""
    process.go()
    noted: dict[str, Any] = json.loads(process.line(END_S))
    return noted


def arrived(noted: dict[str, Any], name: str = 'messages') -> int:
    """Return a count of what a viewer or a listener noted, over all topics."""
    return sum(topic[name] for topic in noted['topics'].values())
