from __future__ import annotations

import os
from pathlib import Path
import re
import shutil
import subprocess
import sys

import psycopg
import pytest
import pytest_servers

from twinsight_tools import postgres, timescaledb, unprivileged
from twinsight_tools.launch import Program
from twinsight_tools.messages import ToolError

TOOLS = Path(timescaledb.__file__).parents[1]


def test_a_table_becomes_a_hypertable(timescale_url: str) -> None:
    with psycopg.connect(timescale_url, autocommit=True) as connection:
        connection.execute('CREATE EXTENSION timescaledb')
        connection.execute('CREATE TABLE seen (time timestamptz NOT NULL)')
        connection.execute("SELECT create_hypertable('seen', 'time')")
        connection.execute("INSERT INTO seen VALUES ('2026-01-01'), ('2026-02-01')")
        assert connection.execute("SELECT count(*) FROM show_chunks('seen')").fetchone() == (2,)
        (telemetry,) = connection.execute('SHOW timescaledb.telemetry_level').fetchone() or ('',)
        assert telemetry == 'off'


def test_the_small_debian_keeps_nothing_of_a_test() -> None:
    root = timescaledb.find()
    if root is None:
        pytest.skip('there is no small Debian here: `tools/bare timescaledb` builds it')

    def others() -> set[Path]:
        """List what is in the Debian's /tmp, less the folders of servers: other runs have some."""
        return {path for path in (root / 'tmp').iterdir() if not path.match('twinsight-*')}

    before = others()
    with timescaledb.running(root) as server:
        folder = server.log.parent
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute('CREATE TABLE seen AS SELECT 1 AS number')
        server.kill()
        server.restart()
        with psycopg.connect(server.url) as connection:
            assert connection.execute('SELECT number FROM seen').fetchall() == [(1,)]
        assert folder.parent == root / 'tmp' and folder.match('twinsight-*')
        assert (folder / 'data' / 'PG_VERSION').exists()
        assert others() == before
    assert not folder.exists()
    assert others() == before


def test_a_build_says_what_it_needs(tmp_path: Path) -> None:
    env = {'PATH': str(tmp_path), 'XDG_CACHE_HOME': str(tmp_path)}
    assert timescaledb.find(env) is None
    with pytest.raises(ToolError, match='apt install debootstrap.*TWINSIGHT_TEST_TIMESCALE_URL'):
        timescaledb.build(env, tmp_path)


def test_where_postgresql_has_it_nothing_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Program('an image', image='timescale')
    monkeypatch.setattr(postgres, 'find', lambda: image)
    assert timescaledb.main() == 0
    assert capsys.readouterr().out == 'TimescaleDB  comes with PostgreSQL: an image\n'


@pytest.mark.skipif(os.geteuid() != 0, reason='only root becomes somebody else')
def test_whoever_is_not_root_is_told_in_one_line_and_goes_on(open_folder: Path) -> None:
    tools = open_folder / 'tools'
    shutil.copytree(TOOLS, tools, ignore=shutil.ignore_patterns('__pycache__', 'test'))
    for folder, _, files in os.walk(tools):
        for path in (folder, *(os.path.join(folder, file) for file in files)):
            os.chmod(path, 0o755)
    # A Python that everybody reaches: that of the tests need not be one.
    python = shutil.which('python3', path=os.defpath) or sys.executable
    env = {'PATH': os.defpath, 'HOME': '/', 'TWINSIGHT_PYTHON': python}
    argv = [*unprivileged.account().switch, str(tools / 'bare'), 'timescaledb']
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')
    assert re.fullmatch(r'TimescaleDB  (there is none|comes with PostgreSQL).*\n', done.stdout)


def test_a_machine_without_apt_names_no_mirror(tmp_path: Path) -> None:
    assert timescaledb._mirror({'PATH': str(tmp_path)}) == []


def test_what_is_absent_skips_a_test_but_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('CI', raising=False)
    with pytest.raises(pytest.skip.Exception, match='no Kafka'):
        pytest_servers.absent('no Kafka')
    monkeypatch.setenv('CI', 'true')
    with pytest.raises(pytest.fail.Exception, match='no Kafka'):
        pytest_servers.absent('no Kafka')
