from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
import pytest_servers

from twinsight_tools import timescaledb
from twinsight_tools.messages import ToolError


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
    before = set((root / 'tmp').iterdir())
    with timescaledb.running(root) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute('CREATE TABLE seen AS SELECT 1 AS number')
        server.kill()
        server.restart()
        with psycopg.connect(server.url) as connection:
            assert connection.execute('SELECT number FROM seen').fetchall() == [(1,)]
        assert len(set((root / 'tmp').iterdir()) - before) == 1
    assert set((root / 'tmp').iterdir()) == before


def test_a_build_says_what_it_needs(tmp_path: Path) -> None:
    env = {'PATH': str(tmp_path), 'XDG_CACHE_HOME': str(tmp_path)}
    assert timescaledb.find(env) is None
    with pytest.raises(ToolError, match='apt install debootstrap.*TWINSIGHT_TEST_TIMESCALE_URL'):
        timescaledb.build(env, tmp_path)


def test_what_is_absent_skips_a_test_but_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('CI', raising=False)
    with pytest.raises(pytest.skip.Exception, match='no Kafka'):
        pytest_servers.absent('no Kafka')
    monkeypatch.setenv('CI', 'true')
    with pytest.raises(pytest.fail.Exception, match='no Kafka'):
        pytest_servers.absent('no Kafka')
