"""Samples as binary COPY: what lies in the table is what was given, bit for bit."""

from __future__ import annotations

import math

import numpy as np
import psycopg
import pytest

from twinsight_store.history.copy import COPY_BEGIN, COPY_END, COPY_METRICS, copy_rows
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.metric import Series

POWER = Series('robot_01', 'dawn', 'battery/voltage')
STATE = Series('robot_02', 'Ausflug über Land', 'статус/状態 🤖')
SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND


@pytest.fixture
def table(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE metric (row serial, time timestamptz, robot_id text, mission_id text, '
            'name text, value double precision, text text)'
        )
        yield connection


def samples(*rows):
    """Make a batch of (series, Unix ns, value or None, text or None)."""
    series = list(dict.fromkeys(row[0] for row in rows))
    return MetricBatch(
        series,
        np.array([row[1] for row in rows], np.int64),
        np.array([series.index(row[0]) for row in rows], np.uint32),
        np.array([math.nan if row[2] is None else row[2] for row in rows], np.float64),
        {at: row[3] for at, row in enumerate(rows) if row[3] is not None},
    )


def copy(connection, *pieces):
    with connection.cursor() as cursor, cursor.copy(COPY_METRICS) as out:
        for piece in (COPY_BEGIN, *pieces, COPY_END):
            out.write(piece)


def stored(connection):
    return connection.execute(
        'SELECT robot_id, mission_id, name, (extract(epoch FROM time) * 1000000)::bigint, value, '
        'text FROM metric ORDER BY row'
    ).fetchall()


def test_a_row_has_series_time_value_and_text(table):
    copy(table, copy_rows(samples(
        (POWER, NOW, 12.5, None), (STATE, NOW + SECOND, None, 'driving'), (POWER, NOW, 7, 'both')
    )))
    assert stored(table) == [
        (*POWER, NOW // 1000, 12.5, None),
        (*STATE, (NOW + SECOND) // 1000, None, 'driving'),
        (*POWER, NOW // 1000, 7.0, 'both'),
    ]


@pytest.mark.parametrize('time_ns, time_us', [
    (NOW + 999, NOW // 1000), (NOW + 1000, NOW // 1000 + 1), (0, 0), (-1, -1), (-1000, -1),
    (-1001, -2), (2**63 - 1, (2**63 - 1) // 1000), (-2**63, -2**63 // 1000),
])
def test_a_time_is_the_floor_in_microseconds(table, time_ns, time_us):
    copy(table, copy_rows(samples((POWER, time_ns, 1.0, None))))
    assert stored(table)[0][3] == time_us


@pytest.mark.parametrize('value', [
    0.0, -0.0, 0.1, 1 / 3, 5e-324, -1.7976931348623157e308, 2.0**53, math.pi
])
def test_a_value_is_the_same_to_the_last_bit(table, value):
    copy(table, copy_rows(samples((POWER, NOW, value, None))))
    assert stored(table)[0][4].hex() == value.hex()


@pytest.mark.parametrize('text', [
    '', ' ', '\\N', '\\.', '\t', '\r\n', '"', "'", 'NULL', 'é', '\x01\x1f\x7f', '\u200b\u2028',
    '\ufffd\ufeff', '🤖' * 1000, 'x' * 100_000, '\U0010ffff',
])
def test_a_text_is_the_same_to_the_last_character(table, text):
    series = Series('robot_01', text, text)
    copy(table, copy_rows(samples((series, NOW, None, text), (series, NOW, 1.0, None))))
    assert stored(table) == [
        (*series, NOW // 1000, None, text), (*series, NOW // 1000, 1.0, None)
    ]


def test_neither_number_nor_text_is_null_twice(table):
    copy(table, copy_rows(samples((POWER, NOW, None, None), (POWER, NOW, 1.0, None))))
    assert [row[4:] for row in stored(table)] == [(None, None), (1.0, None)]


def test_an_empty_batch_has_no_bytes():
    assert copy_rows(MetricBatch()) == b''


def mixed(count):
    """Make a batch of three series in turn; every fifth sample is a text."""
    rows = np.arange(count)
    texts = {int(row): f'state {row} é' for row in rows[::5]}
    values = np.where(rows % 5 == 0, np.nan, rows / 7)
    series = [POWER, STATE, Series('r', '', 'x')]
    return MetricBatch(
        series, NOW + rows * 1001, (rows % 3).astype(np.uint32), values, texts
    )


def test_pieces_are_the_bytes_of_the_whole():
    batch = mixed(100)
    pieces = [copy_rows(batch, at, at + 7) for at in range(0, 100, 7)]
    assert b''.join(pieces) == copy_rows(batch)


def test_the_bytes_are_those_that_postgresql_itself_makes(table):
    data = COPY_BEGIN + copy_rows(mixed(1000)) + COPY_END
    copy(table, copy_rows(mixed(1000)))
    with table.cursor().copy(
        'COPY (SELECT time, robot_id, mission_id, name, value, text FROM metric ORDER BY row) '
        'TO STDOUT (FORMAT binary)'
    ) as out:
        assert b''.join(out) == data


def test_a_big_batch_keeps_every_sample_in_its_order(table):
    batch = mixed(100_000)
    copy(table, copy_rows(batch))
    assert stored(table) == [
        (*batch.series[row % 3], (NOW + row * 1001) // 1000,
         None if row % 5 == 0 else row / 7, batch.texts.get(row))
        for row in range(100_000)
    ]
