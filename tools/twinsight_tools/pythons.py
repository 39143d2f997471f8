"""Chooses the Python that .venv is made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys

from .messages import UsageError

OLDEST = (3, 10)
NEWEST_WITH_WHEELS = (3, 13)
VARIABLE = 'TWINSIGHT_PYTHON'

# Runs in the candidate, which may be of any age: plain Python of every 3.x. A candidate inside of
# a virtual environment answers for the interpreter behind it, as .venv must not rest on another.
_QUESTIONS = """
import importlib.util, json, os, sys, sysconfig
def imported(name):
    try:
        __import__(name)
    except Exception:
        return False
    return True
print(json.dumps({
    'path': getattr(sys, '_base_executable', None) or sys.executable,
    'version': list(sys.version_info[:2]),
    'usable': sys.implementation.name == 'cpython'
        and not sysconfig.get_config_var('Py_GIL_DISABLED'),
    'include': sysconfig.get_path('include'),
    'headers': os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')),
    'venv': all(importlib.util.find_spec(name) for name in ('venv', 'ensurepip')),
    'imports': all(imported(name) for name in sys.argv[1:]),
}))
"""


@dataclass(frozen=True)
class Python:
    """An interpreter and what it brings along."""

    path: str
    version: tuple[int, int]
    include: str
    has_headers: bool
    has_venv: bool
    has_imports: bool

    @property
    def name(self) -> str:
        return f'{self.version[0]}.{self.version[1]}'


def probe(executable: str, imports: tuple[str, ...] = ()) -> Python | None:
    """Ask an executable what it is; None where it is no CPython or does not answer."""
    try:
        answer = subprocess.run(
            [executable, '-c', _QUESTIONS, *imports],
            capture_output=True,
            timeout=20,
            check=True,
            text=True,
        )
        facts = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if not facts['usable']:
        return None
    major, minor = facts['version']
    return Python(
        facts['path'],
        (major, minor),
        facts['include'],
        facts['headers'],
        facts['venv'],
        facts['imports'],
    )


def for_wheels(env: Mapping[str, str], present: str | None = None) -> Python | None:
    """
    Find a Python for the ROS 2 wheels: 3.10 to 3.13.

    `present` is the one that .venv was made from; it stays in use, whatever Python runs the
    set-up this time. Raises UsageError where TWINSIGHT_PYTHON names something else.
    """
    named = env.get(VARIABLE)
    if named:
        python = probe(named)
        if python is None or not OLDEST <= python.version <= NEWEST_WITH_WHEELS:
            what = 'no usable Python' if python is None else f'Python {python.name}'
            raise UsageError(
                f'{VARIABLE}={named} is {what}; set it to a Python of 3.10 to 3.13, or unset it'
            )
        return python
    for candidate in _candidates(env, present):
        python = probe(candidate)
        if python is not None and OLDEST <= python.version <= NEWEST_WITH_WHEELS:
            return python
    return None


def for_sourced(env: Mapping[str, str], imports: tuple[str, ...]) -> Python | None:
    """Find the Python of a sourced ROS 2: the first that imports all of `imports`."""
    names = [env[VARIABLE]] if env.get(VARIABLE) else ['/usr/bin/python3', *_candidates(env, None)]
    for candidate in names:
        python = probe(candidate, imports)
        if python is not None and python.version >= OLDEST and python.has_imports:
            return python
    return None


def _candidates(env: Mapping[str, str], present: str | None) -> Iterator[str]:
    if present and os.access(present, os.X_OK):
        yield present
    yield getattr(sys, '_base_executable', sys.executable)
    names = ['python3', *(f'python3.{minor}' for minor in range(NEWEST_WITH_WHEELS[1], 9, -1))]
    for name in names:
        for folder in env.get('PATH', '').split(os.pathsep):
            # A version manager may put a stub on PATH that only complains: look behind it too.
            found = shutil.which(name, path=folder) if folder else None
            if found:
                yield str(Path(found).absolute())
