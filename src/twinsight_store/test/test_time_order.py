from __future__ import annotations

import random

import pytest

from twinsight_store.channel import Channel
from twinsight_store.message import Message
from twinsight_store.time_order import TimeOrder

CHANNEL = Channel('/t', 'T')


def messages(*times: tuple[int, str]) -> list[Message]:
    return [Message(CHANNEL, receive_ns, 0, 0, name.encode(), {}) for receive_ns, name in times]


def names(taken: list[Message]) -> str:
    return b' '.join(message.data for message in taken).decode()


@pytest.fixture
def order() -> TimeOrder:
    return TimeOrder()


def test_messages_of_overlapping_records_come_out_by_time(order: TimeOrder) -> None:
    order.add('r/a', 1, messages((1000, 'a1'), (4000, 'a4'), (9000, 'a9')))
    order.add('r/b', 2, messages((2000, 'b2'), (5000, 'b5')))
    assert names(order.take_before()) == 'a1 b2 a4 b5 a9'


def test_only_what_is_older_than_the_horizon_comes_out(order: TimeOrder) -> None:
    order.add('r/a', 1, messages((1000, 'x'), (1999, 'y'), (2000, 'z')))
    assert names(order.take_before(2000)) == 'x y'
    assert len(order) == 1
    assert names(order.take_before(2001)) == 'z'
    assert len(order) == 0
    assert order.take_before() == []


def test_messages_of_one_time_come_by_entry_then_record_then_place(order: TimeOrder) -> None:
    order.add('r/b', 1, messages((7, 'b1'), (7, 'b2')))
    order.add('r/a', 2, messages((7, 'later')))
    order.add('r/a', 1, messages((7, 'a1'), (7, 'a2')))
    assert names(order.take_before()) == 'a1 a2 later b1 b2'


def test_the_order_does_not_depend_on_the_way_in(order: TimeOrder) -> None:
    other = TimeOrder()
    records = [
        (entry, timestamp_us, messages((7, f'{entry}{timestamp_us}'), (8, 'end')))
        for entry in ('r/c', 'r/a', 'r/b')
        for timestamp_us in (3, 1, 2)
    ]
    for record in records:
        order.add(*record)
    for record in reversed(records):
        other.add(*record)
    assert names(order.take_before()) == names(other.take_before())


def test_messages_may_be_added_between_takes(order: TimeOrder) -> None:
    order.add('r/a', 1, messages((1, 'x'), (10, 'z')))
    assert names(order.take_before(5)) == 'x'
    order.add('r/b', 2, messages((7, 'y')))
    assert names(order.take_before()) == 'y z'


def test_records_of_one_entry_and_time_alternate_by_place(order: TimeOrder) -> None:
    """Several buckets may have a record each."""
    order.add('r/a', 1, messages((6, 'first'), (7, 'a1'), (7, 'a2'), (9, 'a3')))
    order.add('r/a', 1, messages((6, 'second'), (7, 'b1'), (7, 'b2'), (7, 'b3'), (9, 'b4')))
    order.add('r/a', 1, messages((7, 'c0')))
    assert names(order.take_before(9)) == 'first second c0 a1 b1 a2 b2 b3'
    assert names(order.take_before()) == 'a3 b4'


def test_messages_of_a_record_need_not_be_in_order(order: TimeOrder) -> None:
    order.add('r/a', 1, messages((9, 'z'), (5, 'x1'), (7, 'y'), (5, 'x2')))
    assert names(order.take_before(7)) == 'x1 x2'
    assert len(order) == 2
    assert names(order.take_before()) == 'y z'


@pytest.mark.parametrize('seed', range(20))
def test_many_records_come_out_as_if_all_were_sorted_at_once(
    order: TimeOrder, seed: int
) -> None:
    """Few different times, so that all rules of the order are needed."""
    chance = random.Random(seed)
    expected, taken = [], []
    for timestamp_us in range(60):
        for entry in chance.sample(('r/a', 'r/b', 'r/c', 'r/d'), 3):
            for bucket in range(chance.choice((1, 1, 1, 3))):
                times = sorted(timestamp_us + chance.randrange(8) for _ in range(6))
                found = messages(*((ns, f'{entry} {bucket}') for ns in times))
                expected += [
                    (message.receive_ns, entry, timestamp_us, place, bucket, message)
                    for place, message in enumerate(found)
                ]
                order.add(entry, timestamp_us, found)
        if chance.random() < 0.5:
            taken += order.take_before(timestamp_us + 1)
            assert len(order) == len(expected) - len(taken) > 0
    taken += order.take_before()
    assert [id(message) for message in taken] == [
        id(message) for *_, message in sorted(expected, key=lambda each: each[:5])
    ]
