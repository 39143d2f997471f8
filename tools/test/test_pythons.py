from __future__ import annotations

import json
from pathlib import Path
import sys

import pytest

from twinsight_tools import pythons
from twinsight_tools.messages import UsageError


def fake(path: Path, version: tuple[int, int], *, usable: bool = True) -> str:
    """Make an executable that answers set-up's questions as a Python of that version would."""
    facts = {
        'path': str(path), 'version': version, 'usable': usable, 'include': '/usr/include',
        'headers': True, 'venv': True, 'imports': True,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{json.dumps(facts)}'\n")
    path.chmod(0o755)
    return str(path)


def test_this_python_answers_for_itself() -> None:
    python = pythons.probe(sys.executable, ('json',))
    assert python is not None
    assert python.version == sys.version_info[:2]
    assert python.has_imports


def test_imports_are_tried_for_real() -> None:
    python = pythons.probe(sys.executable, ('json', 'no_such_module'))
    assert python is not None and not python.has_imports


@pytest.mark.parametrize('name', ['/nonexistent/python', 'true'])
def test_what_is_no_python_is_none(name: str) -> None:
    assert pythons.probe(name) is None


def test_the_variable_decides(tmp_path: Path) -> None:
    wanted = fake(tmp_path / 'py', (3, 12))
    found = pythons.for_wheels({'TWINSIGHT_PYTHON': wanted, 'PATH': ''})
    assert found is not None and found.path == wanted


@pytest.mark.parametrize('version', [(3, 9), (3, 14)])
def test_the_variable_is_held_to_the_range(tmp_path: Path, version: tuple[int, int]) -> None:
    named = fake(tmp_path / 'py', version)
    with pytest.raises(UsageError, match=r'is Python 3\.\d+; set it to a Python of 3\.10 to'):
        pythons.for_wheels({'TWINSIGHT_PYTHON': named, 'PATH': ''})


def test_the_python_of_the_venv_stays(tmp_path: Path) -> None:
    present = fake(tmp_path / 'py', (3, 10))
    found = pythons.for_wheels({'PATH': ''}, present)
    assert found is not None and found.path == present


def test_path_is_searched_past_stubs_and_unfit_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, '_base_executable', fake(tmp_path / 'running', (3, 14)))
    stub = tmp_path / 'shims' / 'python3.13'
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\necho "not installed" >&2\nexit 127\n')
    stub.chmod(0o755)
    fake(tmp_path / 'a' / 'python3', (3, 8))
    fake(tmp_path / 'a' / 'python3.13', (3, 13), usable=False)
    wanted = fake(tmp_path / 'b' / 'python3.13', (3, 13))
    fake(tmp_path / 'b' / 'python3.11', (3, 11))
    path = ':'.join(str(tmp_path / name) for name in ('shims', 'a', 'b'))
    found = pythons.for_wheels({'PATH': path})
    assert found is not None and found.path == wanted
    assert pythons.for_wheels({'PATH': str(tmp_path / 'a')}) is None
