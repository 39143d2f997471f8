from __future__ import annotations

import json
import os
from pathlib import Path
import re

import pytest

from twinsight_tools import viewers
from twinsight_tools.messages import ToolError


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text('#!/bin/sh\n')
    path.chmod(0o755)
    return path


def test_without_node_and_npm_they_are_not_to_be_had(tmp_path: Path) -> None:
    env = {'PATH': str(tmp_path), 'XDG_CACHE_HOME': str(tmp_path)}
    assert viewers.find(env) is None
    with pytest.raises(ToolError, match=r'viewers for tests need nodejs .* and npm \(fetches'):
        viewers.fetch(env, tmp_path)


def test_what_npm_says_of_a_failure_is_told(tmp_path: Path) -> None:
    for name in ('node', 'npm'):
        program(tmp_path, name).write_text('#!/bin/sh\necho "no network" >&2; exit 1\n')
    env = {'PATH': f'{tmp_path}:{os.defpath}', 'XDG_CACHE_HOME': str(tmp_path)}
    with pytest.raises(ToolError, match='packages from npm failed (?s:.*)no network'):
        viewers.fetch(env, tmp_path)
    assert viewers.find(env) is None


def test_a_browser_is_named_or_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ('node', 'chromium', 'other'):
        program(tmp_path, name)
    env = {'PATH': str(tmp_path), 'XDG_CACHE_HOME': str(tmp_path)}
    viewers._modules(env).mkdir(parents=True)  # as npm leaves it
    found = viewers.find(env)
    assert found is not None
    assert (found.node, found.chromium) == (tmp_path / 'node', tmp_path / 'chromium')
    named = viewers.find({**env, 'TWINSIGHT_CHROMIUM': 'other'})
    assert named is not None and named.chromium == tmp_path / 'other'
    monkeypatch.setattr(os, 'environ', {**env, 'TWINSIGHT_CHROMIUM': 'absent'})
    assert viewers.main() == 0  # clients without a window need none
    assert 'browser none: apt install chromium' in capsys.readouterr().out


def test_packages_are_pinned_and_come_from_any_registry() -> None:
    wanted = json.loads((viewers.SCRIPTS / 'package.json').read_text())['dependencies']
    lock = json.loads((viewers.SCRIPTS / 'package-lock.json').read_text())['packages']
    assert lock[''].get('dependencies') == wanted
    assert all(re.fullmatch(r'\d+\.\d+\.\d+', version) for version in wanted.values())
    for name, package in lock.items():
        assert 'resolved' not in package, name
        assert not name or package['integrity'].startswith('sha512-')
