"""Names, all at once, what is missing on the machine and needs root to install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import shutil

from .ament import WHEELS
from .messages import ToolError
from .pythons import Python, VARIABLE
from .ros import Ros


def packages(ros: Ros, env: Mapping[str, str]) -> list[str]:
    """Name the Debian/Ubuntu packages to install, each with a word on why."""
    path = env.get('PATH', '')
    found = [] if ros.python is None else _for_python(ros.python, build=ros.kind == WHEELS)
    if ros.python is None:
        found.append(
            'python3 python3-venv python3-dev (Python 3.10 to 3.13; where the distribution has '
            f'none of these, name one in {VARIABLE})'
        )
    if not all(
        any(shutil.which(name, path=path) for name in names)
        for names in (('c++', 'g++', 'clang++'), ('cc', 'gcc', 'clang'), ('make',))
    ):
        found.append('build-essential (C++ compiler, make)')
    return found


def refuse(names: Sequence[str]) -> None:
    """Raise ToolError with one message for all of `names`; fine where there are none."""
    if names:
        listed = '\n'.join(f'  {name}' for name in names)
        plain = ' '.join(name.partition(' (')[0] for name in names)
        raise ToolError(
            f'missing on this machine:\n{listed}\nask an administrator for: apt install {plain}'
        )


def _for_python(python: Python, *, build: bool) -> list[str]:
    found = []
    if not python.has_venv:
        found.append(f'python{python.name}-venv (virtual environments for {python.path})')
    if build and not python.has_headers:
        found.append(f'python{python.name}-dev (headers, to build messages for {python.path})')
    return found
