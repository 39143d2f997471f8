from __future__ import annotations

import argparse
import time

import pytest

from twinsight_store.errors import ConfigurationError
from twinsight_store.selection import Selection
from twinsight_store.selection_arguments import (
    add_selection_arguments,
    join_relative_times,
    selection_from,
    settings_from,
)


def parse(line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_selection_arguments(parser)
    return parser.parse_args(join_relative_times(line.split()))


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TWINSIGHT_REDUCT_URL', 'http://h:1')


def test_no_option_selects_everything_from_the_usual_bucket() -> None:
    arguments = parse('')
    assert selection_from(arguments) == Selection()
    assert settings_from(arguments).buckets == ('twinsight',)


def test_every_option_reaches_the_selection_and_may_be_repeated() -> None:
    selection = selection_from(
        parse(
            '--robot a --robot b --mission 042 --mission m --sensor lidar --sensor camera '
            '--topic /scan --topic /camera/* --label site=x --label shift=a=b '
            '--from 2026-11-23T14:00:00Z --to 1795446000.5'
        )
    )
    assert selection == Selection(
        robots=('a', 'b'), missions=('042', 'm'), sensors=('lidar', 'camera'),
        topics=('/scan', '/camera/*'), labels={'site': 'x', 'shift': 'a=b'},
        from_ns=1_795_442_400_000_000_000, to_ns=1_795_446_000_500_000_000,
    )  # fmt: skip


@pytest.mark.parametrize('line', ['--from -15m --to -5m', '--from=-15m --to=-5m'])
def test_relative_times_are_written_with_or_without_an_equals_sign(line: str) -> None:
    selection = selection_from(parse(line))
    assert selection.from_ns is not None
    assert selection.to_ns is not None
    assert abs(time.time_ns() - selection.from_ns - 900e9) < 60e9
    assert abs(selection.to_ns - selection.from_ns - 600e9) < 1e9


def test_several_buckets_are_read_each_once_in_their_order() -> None:
    settings = settings_from(parse('--bucket cameras --bucket twinsight --bucket cameras'))
    assert settings.buckets == ('cameras', 'twinsight')


def test_an_empty_bucket_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match='^--bucket is empty: give a value'):
        settings_from(parse('--bucket='))


def test_other_options_are_left_as_they_are() -> None:
    line = ['--robot', 'a', '--from', '14:00', '--label', '-x', '--to']
    assert join_relative_times(line) == line


def test_an_option_in_place_of_a_time_is_named_in_the_error() -> None:
    with pytest.raises(ConfigurationError, match=r"^--from: time '--to': accepted are ISO 8601"):
        selection_from(parse('--from --to'))


@pytest.mark.parametrize('option', ['--from', '--to'])
def test_a_bad_time_names_its_option_and_the_accepted_forms(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{option}: time 'noon': accepted are ISO 8601"):
        selection_from(parse(f'{option} noon'))


@pytest.mark.parametrize('text', ['site', '=x', ''])
def test_a_label_that_is_no_pair_is_named_in_the_error(text: str) -> None:
    arguments = parse('')
    arguments.label = [text]
    with pytest.raises(ConfigurationError) as error:
        selection_from(arguments)
    assert str(error.value) == f'--label {text!r}: accepted is NAME=VALUE'


def test_a_span_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ConfigurationError, match='is empty: the end must be later than the start'):
        selection_from(parse('--from -5m --to -15m'))
