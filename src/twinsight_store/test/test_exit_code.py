"""How commands end; in processes of their own, with a real pipe."""

import os
import subprocess
import sys

import pytest

from twinsight_store.errors import ConfigurationError, NothingMatchedError, TwinsightError
from twinsight_store.exit_code import exit_code_of

COMMAND = """
import sys
from twinsight_store.exit_code import exit_code_of

def talk():
    print('x' * {size})
    return 0

sys.exit(exit_code_of('talk', talk))
"""


@pytest.mark.parametrize('size', [10, 1_000_000])  # at the end, and in the middle
def test_who_stops_to_read_gets_no_traceback(size):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, '-c', COMMAND.format(size=size)], stdout=writing,
        stderr=subprocess.PIPE, text=True, timeout=30,
        env={name: value for name, value in os.environ.items() if name != 'PYTHONUNBUFFERED'},
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, '')


@pytest.mark.parametrize(('error', 'code'), [
    (TwinsightError('broken'), 1),
    (ConfigurationError('wrong'), 2),
    (NothingMatchedError('nothing'), 3),
])
def test_an_error_is_one_line(capsys, error, code):
    def fail():
        raise error

    assert exit_code_of('command', fail) == code
    assert capsys.readouterr().err == f'command: {error}\n'
