"""The api command: what it is told, how it begins, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from twinsight_bridge.api import main

REDIS = 'redis://127.0.0.1:9'


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for store in ('REDUCT', 'POSTGRES', 'REDIS'):
        monkeypatch.delenv(f'TWINSIGHT_{store}_URL', raising=False)
    monkeypatch.setattr(signal, 'signal', lambda *_: None)  # that is the tests' own
    return monkeypatch


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['--help'])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert 'api --host 0.0.0.0 --port 8080' in shown
    assert '(127.0.0.1)' in shown and '(8080)' in shown


@pytest.mark.parametrize(('variables', 'arguments', 'said'), [
    ({}, [], 'api: TWINSIGHT_REDUCT_URL is not set: give the address of ReductStore'),
    ({'REDUCT': 'here'}, [], "api: TWINSIGHT_REDUCT_URL='here': accepted is http://HOST:PORT"),
    ({'POSTGRES': 'here'}, [], 'api: TWINSIGHT_POSTGRES_URL is no address of PostgreSQL'),
    ({'REDIS': REDIS}, ['--port', '99999'], 'api: --port 99999: accepted is 0 to 65535'),
    ({'REDIS': REDIS}, ['--bucket', ''], 'api: --bucket is empty'),
    ({'REDIS': REDIS}, ['--allow-origin', ''], 'api: --allow-origin is empty'),
])
def test_wrong_usage_ends_with_2_and_says_what_is_accepted(
    environment, capsys, variables, arguments, said
):
    for store, url in variables.items():
        environment.setenv(f'TWINSIGHT_{store}_URL', url)
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(said) and shown.count('\n') == 1


def test_a_port_that_is_taken_ends_with_1(environment, capsys):
    environment.setenv('TWINSIGHT_REDIS_URL', REDIS)
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        assert main(['--port', str(port)]) == 1
    assert capsys.readouterr().err == (
        f'api: cannot listen on 127.0.0.1 port {port} (Address already in use): choose another '
        'with --host and --port\n'
    )


@pytest.fixture
def start():
    """Return what starts the program; it gives the process and the line with its address."""
    started = []

    def begin():
        started.append(subprocess.Popen(
            [sys.executable, '-m', 'twinsight_bridge.api', '--port', '0'],
            env={**os.environ, 'TWINSIGHT_REDIS_URL': REDIS}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ))
        return started[-1], started[-1].stdout.readline()

    yield begin
    for each in started:
        each.kill()
        each.communicate()


def signalled(program, number):
    """Return exit code and errors of a program that gets a signal again and again to its end."""
    deadline = time.monotonic() + 30
    while program.poll() is None and time.monotonic() < deadline:
        program.send_signal(number)
        time.sleep(0.01)
    program.kill()
    return program.wait(), program.stderr.read()


SIGNALS = pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])


@SIGNALS
def test_it_serves_until_it_is_ended_also_with_clients_that_stay(start, number):
    program, line = start()
    url = re.fullmatch(r'api: (http://127\.0\.0\.1:\d+) \(documentation at /docs\)\n', line)[1]
    with httpx.Client(base_url=url, timeout=30) as client:
        assert client.get('/docs').status_code == 200
        assert client.get('/health').status_code == 503
        # ros2 launch sends one after a terminal did, and an operator may press Ctrl-C twice.
        assert signalled(program, number) == (0, '')


@SIGNALS
def test_it_ends_in_good_order_from_the_moment_that_its_address_is_told(start, number):
    program, line = start()
    assert 'documentation at /docs' in line
    assert signalled(program, number) == (0, '')
