from __future__ import annotations

import os
from pathlib import Path

import pytest

from twinsight_tools import identity, state
from twinsight_tools.state import Entry
from twinsight_tools.workspace import Workspace


def entry(pid: int, started: int) -> Entry:
    return Entry('TWINSIGHT_REDUCT_URL', 'http://127.0.0.1:1', pid, started, 1, 'log', 'PATH')


def test_entries_come_back_as_written(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    state.write(workspace, {'reductstore': entry(1, 2)})
    assert state.read(workspace) == {'reductstore': entry(1, 2)}


@pytest.mark.parametrize('text', ['', '{', '[]', '{"reductstore": 1}', '{"reductstore": {}}'])
def test_a_damaged_file_counts_as_empty(tmp_path: Path, text: str) -> None:
    workspace = Workspace(tmp_path)
    workspace.state.mkdir()
    (workspace.state / 'servers.json').write_text(text)
    assert state.read(workspace) == {}


def test_only_a_running_server_has_a_url(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    started = identity.start_time(os.getpid()) or 0
    state.write(workspace, {'reductstore': entry(os.getpid(), started)})
    assert state.urls(workspace) == {'TWINSIGHT_REDUCT_URL': 'http://127.0.0.1:1'}
    state.write(workspace, {'reductstore': entry(os.getpid(), started - 1)})
    assert state.urls(workspace) == {}
