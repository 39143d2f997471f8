"""Apache Kafka for tests: one broker of one's own. `make servers` does without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
import signal
import socket
import struct
import subprocess

from . import cache
from .command import run_quietly
from .launch import free_port, Kind, Launch, Program
from .messages import say, ToolError
from .private import PrivateServer
from .progress import elapsed
from .workspace import here

VERSION = '4.4.0'
_LOG4J = '2.25.4'
# Kafka says what it does through SLF4J alone; without a logger, why it ended would not be known.
_ARTIFACTS = (
    ('org.apache.kafka', 'kafka_2.13', VERSION),
    ('org.apache.logging.log4j', 'log4j-slf4j-impl', _LOG4J),
    ('org.apache.logging.log4j', 'log4j-core', _LOG4J),
)
_CLUSTER = 'dHdpbnNpZ2h0LXRlc3RzAA'
# A short heap, and no compiler that pays only in days of running.
_JAVA = ('-Xms64m', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1')
_SETTINGS = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.listener.names': 'CONTROLLER',
    # One broker is all there is.
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '5',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    # A group of consumers starts at once; a killed broker may come back after 3 s, not 9.
    'group.initial.rebalance.delay.ms': '0',
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '1000',
}


class Kafka:
    """A Kafka broker that is its own controller (KRaft)."""

    name = 'kafka'
    title = 'Kafka'
    variable = 'TWINSIGHT_TEST_KAFKA'
    usual_port = 9092
    stop_signal = signal.SIGTERM

    def locate(self, env: Mapping[str, str]) -> Program | None:
        java = shutil.which('java', path=env.get('PATH', ''))
        if java is None or not _jars(env).is_dir():
            return None
        return Program(f'{VERSION}, cached in {_jars(env).parent}', binary=Path(java))

    def provide(self, env: Mapping[str, str], logs: Path) -> Program:
        if missed := self.lacking(env):
            raise ToolError(f'Kafka for tests needs {" and ".join(missed)}')
        folder, jars = _jars(env).parent, _jars(env)
        with cache.alone(folder, self.title):
            if not jars.is_dir():
                seconds = _download(folder, env, logs / 'kafka-download.log')
                (folder / 'partial').rename(jars)
                say(self.title, f'{VERSION} fetched in {elapsed(seconds)}')
        found = self.locate(env)
        assert found is not None
        return found

    def lacking(self, env: Mapping[str, str]) -> list[str]:
        wanted = {'java': 'default-jre-headless (Kafka)', 'mvn': 'maven (fetches Kafka)'}
        path = env.get('PATH', '')
        return [text for name, text in wanted.items() if shutil.which(name, path=path) is None]

    def launch(self, program: Program, data: Path, port: int, token: str | None) -> Launch:
        make(program, data)
        argv = (*_java(program), 'kafka.Kafka', str(_configure(data, port)))
        return Launch(argv, dict(os.environ), port, f'127.0.0.1:{port}')

    def ready(self, url: str) -> bool:
        """Tell whether a broker answers the first question that every client asks."""
        host, _, port = url.split(',')[0].rpartition(':')
        # Key 18 is ApiVersions; version 0, number 1, no name of the client, no fields.
        request = struct.pack('>hhih', 18, 0, 1, -1)
        try:
            with socket.create_connection((host, int(port)), 2.0) as connection:
                connection.sendall(struct.pack('>i', len(request)) + request)
                answer = connection.recv(10)
        except (OSError, ValueError):
            return False
        return answer[4:] == struct.pack('>ih', 1, 0)


def _jars(env: Mapping[str, str]) -> Path:
    return cache.folder(f'kafka-{VERSION}', env) / 'jars'


def _download(folder: Path, env: Mapping[str, str], log: Path) -> float:
    shutil.rmtree(folder / 'partial', ignore_errors=True)
    wanted = ''.join(
        f'<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>'
        f'<version>{version}</version></dependency>'
        for group, name, version in _ARTIFACTS
    )
    pom = folder / 'pom.xml'
    pom.write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        '<groupId>twinsight</groupId><artifactId>kafka</artifactId><version>1</version>'
        f'<packaging>pom</packaging><dependencies>{wanted}</dependencies></project>\n'
    )
    return run_quietly(
        [
            'mvn', '--batch-mode', '--file', str(pom), 'dependency:copy-dependencies',
            f'-DoutputDirectory={folder / "partial"}', '-DincludeScope=runtime',
        ],
        label=Kafka.title,
        task=f'Kafka {VERSION} from Maven',
        log=log,
        describe=lambda line: line.rsplit('/', 1)[-1] if 'Downloading' in line else None,
        env=env,
    )  # fmt: skip


def make(program: Program, data: Path) -> None:
    """Make a folder that a broker can start on, or be copied; fine where there is one."""
    if (data / 'log').is_dir():
        return
    data.mkdir(parents=True, exist_ok=True)
    file = str(_configure(data, free_port()))
    tool = ['kafka.tools.StorageTool', 'format', '--cluster-id', _CLUSTER, '--config', file]
    done = subprocess.run([*_java(program), *tool], capture_output=True, text=True)
    if done.returncode != 0:
        raise ToolError(f'cannot make a folder for Kafka: {(done.stdout + done.stderr).strip()}')


def _java(program: Program) -> list[str]:
    return [str(program.binary), *_JAVA, '-cp', f'{_jars(os.environ)}/*']


def _configure(data: Path, port: int) -> Path:
    """Write the settings of a broker for one start; return the file."""
    # The controller is on an address of loopback where nobody else listens: a free port of the
    # usual one could be taken by somebody else before Java is up.
    controller = f'127.0.0.2:{port - 1}'
    settings = _SETTINGS | {
        'listeners': f'PLAINTEXT://127.0.0.1:{port},CONTROLLER://{controller}',
        'advertised.listeners': f'PLAINTEXT://127.0.0.1:{port}',
        'controller.quorum.voters': f'1@{controller}',
        'log.dirs': str(data / 'log'),
    }
    file = data / 'server.properties'
    file.write_text(''.join(f'{key}={value}\n' for key, value in settings.items()))
    return file


SERVER: Kind = Kafka()


def find(env: Mapping[str, str] | None = None) -> Program | None:
    """Find the Kafka that was fetched; None where `tools/bare kafka` has not run."""
    return SERVER.locate(os.environ if env is None else env)


@contextmanager
def running(
    program: Program, data_dir: Path, *, port: int | None = None, log: Path | None = None
) -> Iterator[PrivateServer]:
    """
    Run a private broker on 127.0.0.1, for tests, until the block ends; `url` is `host:port`.

    It also ends with this process, however that ends. Raises ToolError where it does not come up.
    """
    log = log or data_dir.with_name(f'{data_dir.name}.log')
    with PrivateServer(SERVER, program, data_dir, port=port, log=log) as server:
        yield server


def main() -> int:
    say(Kafka.title, SERVER.provide(os.environ, here().logs).text)
    return 0
