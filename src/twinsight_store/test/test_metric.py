import math

import pytest

from twinsight_store.metrics.metric import normalised, TEXT_LIMIT


@pytest.mark.parametrize(
    ('value', 'stored'),
    [
        (1.5, (1.5, None, False)),
        (-0.0, (0.0, None, False)),
        (7, (7.0, None, False)),
        (True, (1.0, None, False)),
        (False, (0.0, None, False)),
        (1 << 53, (float(1 << 53), None, False)),
        ((1 << 53) + 1, (float(1 << 53), '9007199254740993', False)),
        (-(1 << 63), (float(-(1 << 63)), '-9223372036854775808', False)),
        (math.nan, (None, 'NaN', True)),
        (math.inf, (None, 'Infinity', True)),
        (-math.inf, (None, '-Infinity', True)),
        ('DRIVING', (None, 'DRIVING', False)),
        ('', (None, '', False)),
        ('a\0b', (None, 'a\ufffdb', True)),
        ('Größe ☃', (None, 'Größe ☃', False)),
        ('half \ud800', (None, 'half \ufffd\ufffd\ufffd', True)),
    ],
)
def test_a_value_has_one_stored_form(value, stored):
    assert normalised(value) == stored


def test_a_text_of_5_mb_is_cut_and_says_how_long_it_was():
    stored = normalised('x' * 5_000_000)
    assert stored.text == 'x' * TEXT_LIMIT + '… (5000000 characters)'
    assert stored.altered


def test_a_text_at_the_limit_stays_whole():
    assert normalised('x' * TEXT_LIMIT) == (None, 'x' * TEXT_LIMIT, False)
