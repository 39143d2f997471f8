from __future__ import annotations

from twinsight_store.channel import Channel
from twinsight_store.layout import cdr_record, Record
from twinsight_store.writer import batches, MAX_BATCH_BYTES, MAX_BATCH_RECORDS


def records(*sizes: int) -> list[Record]:
    channel = Channel('/t', 'T')
    return [
        cdr_record('r/t', channel, 1000 * index, 0, 0, bytes(size), {})
        for index, size in enumerate(sizes)
    ]


def test_no_records_make_no_batch() -> None:
    assert list(batches([])) == []


def test_a_batch_holds_as_many_records_as_one_request_takes() -> None:
    some = records(*[1] * MAX_BATCH_RECORDS)
    assert list(batches(some)) == [some]


def test_one_record_more_goes_into_the_next_batch_and_the_order_stays() -> None:
    some = records(*[1] * (MAX_BATCH_RECORDS + 1))
    assert list(batches(some)) == [some[:-1], some[-1:]]


def test_a_batch_is_filled_to_the_byte() -> None:
    some = records(MAX_BATCH_BYTES - 10, 10)
    assert list(batches(some)) == [some]


def test_one_byte_more_starts_the_next_batch() -> None:
    some = records(MAX_BATCH_BYTES - 10, 11)
    assert list(batches(some)) == [some[:1], some[1:]]


def test_a_record_bigger_than_a_batch_goes_alone() -> None:
    some = records(1, MAX_BATCH_BYTES + 1, 1)
    assert list(batches(some)) == [some[:1], some[1:2], some[2:]]
