"""Several sources as one timeline: pure, with sources in memory."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from functools import wraps
import random
from typing import Any, ParamSpec

import pytest

from twinsight_store.channel import Channel
from twinsight_store.message import Batch, END_OF_TIME_NS, Message
from twinsight_store.shifted import Shifted
from twinsight_store.source import first_ns, Source
from twinsight_store.timeline import Timeline

P = ParamSpec('P')


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def settle() -> None:
    """Let everything go on that can."""
    for _ in range(50):
        await asyncio.sleep(0)


class Listed:
    """
    A source of given times; messages are numbered, so that each is told from all others.

    cuts     times at which a batch ends and the next begins
    read_ns  until when it was read
    """

    def __init__(self, name: str, times: Iterable[int], cuts: Iterable[int] = ()) -> None:
        self.channel = Channel(f'/{name}', 'T')
        self.messages = [
            Message(self.channel, time_ns, time_ns + 5, number, f'{name}{number}'.encode(), {})
            for number, time_ns in enumerate(sorted(times))
        ]
        self.cuts = sorted(cuts)
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.read_ns = -1
        self.opened = self.closed = 0

    @property
    def channels(self) -> Sequence[tuple[str, Channel]]:
        return [('robot', self.channel)] if self.messages else []

    async def span(self) -> tuple[int, int] | None:
        times = [message.receive_ns for message in self.messages]
        return (times[0], times[-1]) if times else None

    async def batches(self, from_ns: int | None = None) -> AsyncGenerator[Batch, None]:
        self.opened += 1
        try:
            begin = self._index(from_ns) if from_ns is not None else 0
            for until_ns in (*self.cuts, END_OF_TIME_NS):
                await self.may_go_on.wait()
                end = max(begin, self._index(until_ns))
                self.read_ns = until_ns
                yield Batch(self.messages[begin:end], until_ns)
                begin = end
        finally:
            await asyncio.sleep(0)  # as a connection's end does
            self.closed += 1

    async def latched(self, time_ns: int) -> list[Message]:
        return self.messages[:self._index(time_ns)][-1:]

    def _index(self, time_ns: int) -> int:
        return bisect_left(self.messages, time_ns, key=lambda message: message.receive_ns)


class Failing(Listed):
    """A source whose store goes away for good after its first batch."""

    async def batches(self, from_ns: int | None = None) -> AsyncGenerator[Batch, None]:
        async with aclosing(super().batches(from_ns)) as batches:
            yield await anext(batches)
            raise ConnectionError('gone')


def read(source: Source, from_ns: int | None = None) -> list[Batch]:
    """Return the batches of a source; checks that each tells rightly how far it is complete."""

    async def work() -> list[Batch]:
        return [batch async for batch in source.batches(from_ns)]

    batches = asyncio.run(work())
    untils = [batch.until_ns for batch in batches]
    assert untils == sorted(set(untils)) and untils[-1] == END_OF_TIME_NS
    before_ns = from_ns if from_ns is not None else -(1 << 63)
    for messages, until_ns in batches:
        times = [message.receive_ns for message in messages]
        assert times == sorted(times)
        assert all(before_ns <= time_ns < until_ns for time_ns in times)
        before_ns = until_ns
    return batches


def told(source: Source, from_ns: int | None = None) -> list[tuple[int, str]]:
    """Return time and name of all messages of a source."""
    return [
        (message.receive_ns, message.data.decode())
        for batch in read(source, from_ns) for message in batch.messages
    ]


def expected(sources: Sequence[Listed], from_ns: int = -(1 << 63)) -> list[tuple[int, str]]:
    """Return the one right order: time, then source, then number."""
    order = sorted(
        (message.receive_ns, place, message.sequence)
        for place, source in enumerate(sources) for message in source.messages
    )
    return [
        (time_ns, sources[place].messages[number].data.decode())
        for time_ns, place, number in order if time_ns >= from_ns
    ]


def random_sources(chance: random.Random) -> list[Listed]:
    """Return sources with many messages of one time, and cuts at these times and beside them."""
    return [
        Listed(
            name,
            [chance.randrange(-20, 60) for _ in range(chance.choice([0, 1, 30, 80]))],
            {chance.randrange(-30, 70) for _ in range(chance.choice([0, 1, 10, 60]))},
        )
        for name in 'abcd'[:chance.randint(1, 4)]
    ]


@pytest.mark.parametrize('seed', range(50))
def test_all_messages_come_by_time_then_source_then_place_however_they_are_cut(seed: int) -> None:
    chance = random.Random(seed)
    sources = random_sources(chance)
    right = expected(sources)
    assert told(Timeline(sources)) == right
    for source in sources:
        source.cuts = sorted({chance.randrange(-30, 70) for _ in range(chance.randrange(20))})
    assert told(Timeline(sources)) == right


@pytest.mark.parametrize('seed', range(20))
def test_reading_from_a_time_gives_the_rest_of_the_same_order(seed: int) -> None:
    chance = random.Random(seed)
    sources = random_sources(chance)
    for from_ns in (-40, -20, 0, chance.randrange(60), 59, 60, END_OF_TIME_NS):
        assert told(Timeline(sources), from_ns) == expected(sources, from_ns)


@pytest.mark.parametrize('seed', range(20))
def test_a_timeline_is_a_source_of_another_timeline(seed: int) -> None:
    sources = random_sources(random.Random(seed))
    nested = Timeline([Timeline(sources[:2]), Timeline(sources[2:])])
    assert told(nested) == expected(sources)


def test_the_earlier_source_wins_a_tie_also_where_it_is_read_later() -> None:
    late, early = Listed('late', [7], cuts=[1, 2, 3, 4, 5, 6, 7, 8]), Listed('early', [7, 7])
    assert told(Timeline([late, early])) == [(7, 'late0'), (7, 'early0'), (7, 'early1')]
    assert told(Timeline([early, late])) == [(7, 'early0'), (7, 'early1'), (7, 'late0')]


def test_nothing_to_read_ends_at_once() -> None:
    assert read(Timeline([])) == [Batch([], END_OF_TIME_NS)]
    assert read(Timeline([Listed('a', []), Listed('b', [])])) == [Batch([], END_OF_TIME_NS)]
    assert asyncio.run(Timeline([Listed('a', [])]).span()) is None
    assert asyncio.run(Timeline([]).span()) is None


def test_a_silence_of_all_sources_is_told_in_empty_batches() -> None:
    sources = [Listed('a', [90], cuts=[10, 50]), Listed('b', [95], cuts=[20, 60])]
    batches = read(Timeline(sources))
    assert [batch.until_ns for batch in batches if not batch.messages] == [10, 20, 50, 60]


def test_a_source_that_stands_still_is_asked_until_it_goes_on() -> None:
    sources = [Listed('a', [2, 9], cuts=[5, 5, 5, 7]), Listed('b', [3, 8], cuts=[5, 6])]
    assert told(Timeline(sources)) == expected(sources)


@in_loop
async def test_what_is_given_waits_for_the_slowest_source() -> None:
    fast, slow = Listed('fast', range(10)), Listed('slow', [3], cuts=[3, 5])
    slow.may_go_on.clear()
    async with aclosing(Timeline([fast, slow]).batches()) as batches:
        reading = asyncio.create_task(anext(batches))
        await settle()
        assert not reading.done()
        slow.may_go_on.set()
        assert [message.receive_ns for message in (await reading).messages] == [0, 1, 2]
        slow.may_go_on.clear()
        reading = asyncio.create_task(anext(batches))
        await settle()
        assert not reading.done()
        slow.may_go_on.set()
        names = [message.data.decode() for message in (await reading).messages]
        assert names == ['fast3', 'slow0', 'fast4']


@in_loop
async def test_the_stores_are_asked_at_once() -> None:
    sources = [Listed(name, [1], cuts=[5]) for name in 'abc']
    for source in sources:
        source.may_go_on.clear()
    async with aclosing(Timeline(sources).batches()) as batches:
        reading = asyncio.create_task(anext(batches))
        await settle()
        assert [source.opened for source in sources] == [1, 1, 1]
        for source in sources:
            source.may_go_on.set()
        assert len((await reading).messages) == 3


@pytest.mark.parametrize('seed', range(20))
@in_loop
async def test_no_source_is_read_further_than_one_batch_behind_what_was_given(seed: int) -> None:
    chance = random.Random(seed)
    sources = [
        Listed(name, range(1000), {0, *(chance.randrange(1000) for _ in range(count))})
        for name, count in (('a', 3), ('b', 30), ('c', 300))
    ]
    given_ns = -1
    async with aclosing(Timeline(sources).batches()) as batches:
        async for batch in batches:
            for source in sources:
                # The batch that reaches over what is given now, and none after it.
                ends = [*source.cuts, END_OF_TIME_NS]
                assert source.read_ns == ends[bisect_left(ends, batch.until_ns)]
            assert batch.until_ns > given_ns
            given_ns = batch.until_ns


@in_loop
async def test_all_sources_are_closed_when_reading_stops_early() -> None:
    sources = [Listed(name, range(9), cuts=[3, 6]) for name in 'abc']
    async with aclosing(Timeline(sources).batches()) as batches:
        await anext(batches)
        assert [source.closed for source in sources] == [0, 0, 0]
    assert [source.closed for source in sources] == [1, 1, 1]


@in_loop
async def test_all_sources_are_closed_when_reading_is_cancelled_while_it_waits() -> None:
    sources = [Listed(name, range(9), cuts=[3, 6]) for name in 'abc']
    sources[1].may_go_on.clear()

    async def work() -> None:
        timeline = Timeline([Shifted(each, 1, 'dawn') for each in sources])
        async with aclosing(timeline.batches()) as batches:
            async for _ in batches:
                pass

    reading = asyncio.create_task(work())
    await settle()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [source.closed for source in sources] == [1, 1, 1]


@in_loop
async def test_a_source_that_fails_ends_reading_and_all_are_closed() -> None:
    sources = [Listed('a', range(9), [3, 6]), Failing('b', range(9), [3]), Listed('c', [1])]
    given = []
    with pytest.raises(ConnectionError, match='gone'):
        async with aclosing(Timeline(sources).batches()) as batches:
            async for batch in batches:
                given += batch.messages
    assert [message.receive_ns for message in given] == [0, 0, 1, 1, 1, 2, 2]
    assert [source.closed for source in sources] == [1, 1, 1]


@in_loop
async def test_a_source_that_fails_while_others_are_asked_lets_them_answer_and_close() -> None:
    slow, failing = Listed('a', range(9), cuts=[3]), Failing('b', range(9), cuts=[3])
    async with aclosing(Timeline([slow, failing]).batches()) as batches:
        await anext(batches)
        slow.may_go_on.clear()
        reading = asyncio.create_task(anext(batches))
        await settle()
        slow.may_go_on.set()
        with pytest.raises(ConnectionError, match='gone'):
            await reading
    assert (slow.closed, failing.closed) == (1, 1)


@in_loop
async def test_it_may_be_read_twice_at_once() -> None:
    timeline = Timeline([Listed('a', range(0, 50, 2), [20]), Listed('b', range(50), [5, 10, 30])])
    one, other = timeline.batches(), timeline.batches(9)
    first = await anext(one)
    late = [message.receive_ns async for batch in other for message in batch.messages]
    early = [message.receive_ns async for batch in one for message in batch.messages]
    early = [message.receive_ns for message in first.messages] + early
    assert early == sorted([*range(0, 50, 2), *range(50)])
    assert late == [time_ns for time_ns in early if time_ns >= 9]


@in_loop
async def test_the_span_is_that_of_all_sources() -> None:
    sources = [Listed('a', [30, 70]), Listed('b', []), Listed('c', [20, 50])]
    assert await Timeline(sources).span() == (20, 70)
    assert await first_ns(Timeline(sources)) == 20
    assert await first_ns(Listed('b', [], cuts=[1, 2])) is None
    assert await first_ns(Listed('c', [40], cuts=[1, 2])) == 40


@in_loop
async def test_the_first_message_is_found_without_reading_on_and_the_source_closed() -> None:
    source = Listed('a', [40, 90], cuts=[10, 50, 80])
    assert await first_ns(source) == 40
    assert source.read_ns == 50
    assert source.closed == 1


def test_a_channel_of_several_sources_is_named_once_and_another_one_of_its_topic_too() -> None:
    runs = [Listed('scan', [1]), Listed('scan', [2]), Listed('odom', [3]), Listed('none', [])]
    runs[2].channel = Channel('/scan', 'Other')
    assert Timeline(runs).channels == [
        ('robot', Channel('/scan', 'T')), ('robot', Channel('/scan', 'Other'))
    ]


@in_loop
async def test_what_is_latched_comes_from_all_sources_in_order() -> None:
    timeline = Timeline([Listed('a', [3, 9]), Listed('b', [2, 6]), Listed('c', [8])])
    found = await timeline.latched(8)
    assert [message.data.decode() for message in found] == ['a0', 'b1']


@pytest.mark.parametrize('shift_ns', [-7, 0, 7, -100])
@pytest.mark.parametrize('seed', range(5))
def test_a_shifted_source_is_the_same_one_at_other_times(seed: int, shift_ns: int) -> None:
    for source in random_sources(random.Random(seed)):
        moved = Shifted(source, shift_ns, 'dawn')
        assert told(moved) == [(at + shift_ns, name) for at, name in told(source)]
        for from_ns in (-20, 0, 33, 60):
            assert told(moved, from_ns + shift_ns) == [
                (at + shift_ns, name) for at, name in told(source, from_ns)
            ]
        assert [batch.until_ns for batch in read(moved)] == [
            *(cut + shift_ns for cut in source.cuts), END_OF_TIME_NS
        ]
        assert told(moved, END_OF_TIME_NS) == []
        assert moved.channels == source.channels
        span_ns = asyncio.run(source.span())
        assert asyncio.run(moved.span()) == (
            None if span_ns is None else (span_ns[0] + shift_ns, span_ns[1] + shift_ns)
        )


def test_a_shift_moves_both_times_of_a_message_and_nothing_else() -> None:
    ((moved,), _), = read(Shifted(Listed('a', [1000]), -300, 'dawn'))
    ((stored,), _), = read(Listed('a', [1000]))
    assert moved == stored._replace(receive_ns=700, publish_ns=705)


@in_loop
async def test_what_is_latched_in_a_shifted_source_is_what_was_latched_then() -> None:
    moved = Shifted(Listed('a', [10, 20, 30]), 100, 'dawn')
    for at_ns, latched in ((110, []), (111, [110]), (121, [120]), (131, [130]), (10**6, [130])):
        found = await moved.latched(at_ns)
        assert [message.receive_ns for message in found] == latched
        assert [message.labels for message in found] == [{'mission_id': 'dawn'}] * len(latched)


@in_loop
async def test_what_a_robot_latched_after_a_run_does_not_belong_to_it() -> None:
    class OneRun(Listed):
        """Its span ends at 20; latched messages are looked for in whatever the robot sent."""

        async def span(self) -> tuple[int, int] | None:
            return 10, 20

    run = Shifted(OneRun('map', [5, 20, 21]), -10, 'dawn')
    assert [message.receive_ns for message in await run.latched(10)] == [-5]
    assert [message.receive_ns for message in await run.latched(10**6)] == [10]
    assert [message.receive_ns for message in await run.latched(END_OF_TIME_NS)] == [10]


def test_shifted_runs_interleave_by_their_new_times() -> None:
    runs = [Listed('a', [100, 110, 120]), Listed('b', [505, 510, 525])]
    assert told(Timeline([runs[0], Shifted(runs[1], -405, 'dawn')])) == [
        (100, 'a0'), (100, 'b0'), (105, 'b1'), (110, 'a1'), (120, 'a2'), (120, 'b2')
    ]
