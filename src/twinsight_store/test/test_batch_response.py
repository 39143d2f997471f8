from __future__ import annotations

import pytest

from twinsight_store.batch_response import FetchedRecord, parse_batch


def answer(**records: str) -> dict[str, str]:
    """Return headers of an answer; a record is named entry_delta, for example e0_15."""
    headers = {
        'x-reduct-entries': 'r1/scan,r2/image',
        'x-reduct-labels': 'robot_id,site',
        'x-reduct-start-ts': '1000',
        'content-type': 'application/octet-stream',
        'x-reduct-last': 'true',
    }
    for name, value in records.items():
        entry, delta = name.removeprefix('e').split('_')
        headers[f'x-reduct-{entry}-{delta}'] = value
    return headers


def test_each_record_gets_its_own_bytes_where_entries_interleave() -> None:
    headers = answer(e0_0='2,application/cdr', e1_1='3,application/cdr', e0_2='1', e1_3='1')
    assert [(r.entry, r.timestamp_us, r.data) for r in parse_batch(headers, b'aacbbbd')] == [
        ('r1/scan', 1000, b'aa'),
        ('r2/image', 1001, b'bbb'),
        ('r1/scan', 1002, b'c'),
        ('r2/image', 1003, b'd'),
    ]


def test_times_of_different_lengths_are_put_in_the_order_of_numbers() -> None:
    headers = answer(e0_9='1,a/b', e0_10='1', e0_100='1')
    assert [(r.timestamp_us, r.data) for r in parse_batch(headers, b'xyz')] == [
        (1009, b'x'), (1010, b'y'), (1100, b'z'),
    ]  # fmt: skip


def test_records_of_one_time_come_by_entry() -> None:
    headers = answer(e1_5='1,a/b', e0_5='1,a/b')
    assert [(r.entry, r.data) for r in parse_batch(headers, b'xy')] == [
        ('r1/scan', b'x'), ('r2/image', b'y'),
    ]  # fmt: skip


def test_what_a_record_leaves_out_is_as_in_the_last_of_its_entry() -> None:
    headers = answer(
        e0_0='1,application/cdr,0=r1,1=x', e0_1='1', e0_2='1,application/mcap', e0_3='1,,1=y',
        e1_0='1,text/plain,0=r2', e1_4='1',
    )  # fmt: skip
    at_x, at_y = ({'robot_id': 'r1', 'site': site} for site in 'xy')
    assert parse_batch(headers, b'abcdef') == [
        FetchedRecord('r1/scan', 1000, 'application/cdr', at_x, b'a', 1),
        FetchedRecord('r2/image', 1000, 'text/plain', {'robot_id': 'r2'}, b'e', 1),
        FetchedRecord('r1/scan', 1001, 'application/cdr', at_x, b'b', 1),
        FetchedRecord('r1/scan', 1002, 'application/mcap', at_x, b'c', 1),
        FetchedRecord('r1/scan', 1003, 'application/mcap', at_y, b'd', 1),
        FetchedRecord('r2/image', 1004, 'text/plain', {'robot_id': 'r2'}, b'f', 1),
    ]


def test_a_first_record_without_type_and_labels_has_the_protocols_defaults() -> None:
    [record] = parse_batch(answer(e0_0='1'), b'a')
    assert (record.content_type, record.labels) == ('application/octet-stream', {})


def test_a_label_given_empty_is_gone_from_there_on() -> None:
    headers = answer(e0_0='0,a/b,0=r1,1=x', e0_1='0,,1=', e0_2='0', e0_3='0,,0=,1="z"')
    assert [record.labels for record in parse_batch(headers, b'')] == [
        {'robot_id': 'r1', 'site': 'x'}, {'robot_id': 'r1'}, {'robot_id': 'r1'}, {'site': 'z'},
    ]  # fmt: skip


def test_a_quoted_label_may_hold_commas_and_equals_signs() -> None:
    headers = answer(e0_0='0,a/b,0="a,b=c,1=d",1=x=y')
    [record] = parse_batch(headers, b'')
    assert record.labels == {'robot_id': 'a,b=c,1=d', 'site': 'x=y'}


def test_names_of_entries_and_labels_are_percent_decoded() -> None:
    headers = {
        'x-reduct-entries': 'r1%2Fscan%2F%24meta', 'x-reduct-labels': 'a%2Cb',
        'x-reduct-start-ts': '1', 'X-Reduct-0-0': '0,a/b,0=x',
    }  # fmt: skip
    [record] = parse_batch(headers, b'')
    assert (record.entry, record.labels) == ('r1/scan/$meta', {'a,b': 'x'})


def test_without_body_records_have_their_labels_and_size_only() -> None:
    [record] = parse_batch(answer(e0_7='500,a/b,0=r1'), b'')
    assert record == FetchedRecord('r1/scan', 1007, 'a/b', {'robot_id': 'r1'}, b'', 500)


def test_an_answer_without_records_is_empty() -> None:
    assert parse_batch({'content-type': 'text/plain'}, b'') == []


@pytest.mark.parametrize('body', [b'ab', b'abcd'])
def test_a_body_of_another_length_than_announced_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=f'{len(body)} bytes arrived where the headers name 3'):
        parse_batch(answer(e0_0='2,a/b', e1_0='1,a/b'), body)


@pytest.mark.parametrize('record', [{'e2_0': '1,a/b'}, {'e0_0': '1,a/b,2=x'}, {'e0_0': 'x,a/b'}])
def test_headers_that_name_what_is_not_there_are_refused(record: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        parse_batch(answer(**record), b'a')
