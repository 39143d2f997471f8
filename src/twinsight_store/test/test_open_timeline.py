"""The timeline of a selection, from a real ReductStore and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager, ExitStack
from dataclasses import replace
import time
from typing import Any, TYPE_CHECKING, TypeVar

import numpy as np
import psycopg
import pytest

from twinsight_store.channel import Channel, QOS_KEY
from twinsight_store.errors import (
    NothingMatchedError,
    RecordError,
    StoreRefusedError,
    StoreUnavailableError,
)
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.message import END_OF_TIME_NS, Message
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import Event, MissionStarted
from twinsight_store.metrics.metric import Series
from twinsight_store.open_timeline import Align, open_timeline, TimelineSettings
from twinsight_store.selection import Selection
from twinsight_store.timeline import Timeline

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store

T0 = 1_763_900_000_000_000_000
MS = 1_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
LATCHED = '- {reliability: reliable, durability: transient_local, history: keep_last, depth: 1}'
MAP = Channel('/map', 'nav_msgs/msg/OccupancyGrid', 'ros2msg', b'', metadata={QOS_KEY: LATCHED})

T = TypeVar('T')


class Stores:
    """A bucket and a database, filled as the recorders fill them; times are since T0, in ns."""

    def __init__(self, store: Store, postgres_url: str, make_builder: MakeBuilder) -> None:
        self.store = store
        self.settings = TimelineSettings(store.settings, PostgresSettings(postgres_url))
        self._make_builder = make_builder
        self._numbers = iter(range(1000))

    def record(
        self, robot: str, mission: str, topic: str, *times_ns: int,
        channel: Channel | None = None, **rules: int,
    ) -> None:
        """Store messages that are numbered, in chunks where the rules do not say else."""
        builder = self._make_builder(
            topic, robot=robot, mission=mission, channel=channel, **rules
        )
        records = []
        for number, time_ns in enumerate(times_ns):
            records += builder.add(T0 + time_ns, T0 + time_ns - 1, number, b'x')
        self.store.write(records + builder.flush())

    def measure(self, robot: str, mission: str, name: str, *times_ns: int) -> None:
        """Store samples of a metric."""
        self._deliver(MetricBatch(
            [Series(robot, mission, name)], np.array(times_ns) + T0,
            np.zeros(len(times_ns), np.uint32), np.arange(len(times_ns), dtype=float), {},
        ))

    def tell(self, robot: str, mission: str, *times_ns: int) -> None:
        """Store alerts that were raised."""
        data = {'rule': 'low', 'metric': 'm', 'value': 0.1, 'text': None, 'raised_ns': T0}
        self._deliver(MetricBatch(facts=[
            Event(robot, mission, T0 + time_ns, 'alert_raised', 'warn', 'low', data)
            for time_ns in times_ns
        ]))

    def start(self, robot: str, mission: str, time_ns: int, **labels: str) -> None:
        """Store that a mission began."""
        self._deliver(MetricBatch(facts=[MissionStarted(robot, mission, T0 + time_ns, labels)]))

    def ask(
        self, question: Callable[[Timeline], Coroutine[Any, Any, T]], *,
        align: Align = Align.TIME, history: bool = True,
        on_bad_record: Callable[[RecordError], object] | None = None, **selected: Any,
    ) -> T:
        """Return what a coroutine answers that gets an open timeline."""
        settings = replace(self.settings, align=align)
        if on_bad_record:
            settings = replace(settings, on_bad_record=on_bad_record)
        if not history:
            settings = replace(settings, history=None)

        async def work() -> T:
            async with open_timeline(Selection(**selected), settings) as timeline:
                return await question(timeline)

        return asyncio.run(work())

    def messages(self, start_ns: int | None = None, **selected: Any) -> list[Message]:
        async def question(timeline: Timeline) -> list[Message]:
            return [
                message async for batch in timeline.batches(start_ns) for message in batch.messages
            ]

        return self.ask(question, **selected)

    def told(self, start_ns: int | None = None, **selected: Any) -> list[tuple[int, str]]:
        """Return time since T0 and topic of the selected messages."""
        return [
            (message.receive_ns - T0, message.channel.topic)
            for message in self.messages(start_ns, **selected)
        ]

    def runs(self, start_ns: int | None = None, **selected: Any) -> list[tuple[int, str]]:
        """Return the same for a common start; robot, mission and topic as one text."""
        return [
            (message.receive_ns - T0, ' '.join(
                (message.labels['robot_id'], message.labels['mission_id'], message.channel.topic)
            ))
            for message in self.messages(start_ns, align=Align.START, **selected)
        ]

    def shifts(self, **selected: Any) -> list[tuple[tuple[str, str], int]]:
        async def question(timeline: Timeline) -> list[tuple[tuple[str, str], int]]:
            return list(timeline.shifts.items())

        return self.ask(question, align=Align.START, **selected)

    def text_of_nothing(self, **selected: Any) -> str:
        with pytest.raises(NothingMatchedError) as error:
            self.messages(**selected)
        return str(error.value)

    def connections(self) -> int:
        """Return how many of ours there are at the database."""
        assert self.settings.history
        with psycopg.connect(self.settings.history.url) as connection:
            found = connection.execute(
                'SELECT FROM pg_stat_activity WHERE datname = current_database() '
                "AND application_name LIKE 'twinsight%'"
            )
            return found.rowcount

    def connections_left(self) -> int:
        """Return the same when those that end had time for it."""
        deadline = time.monotonic() + 10
        while self.connections() and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.connections()

    def change(self, statement: str) -> None:
        """Change the database as nobody should."""
        assert self.settings.history
        with psycopg.connect(self.settings.history.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _deliver(self, batch: MetricBatch) -> None:
        assert self.settings.history
        with closing(HistorySink(self.settings.history)) as sink:
            written = sink.write([Delivery('r', next(self._numbers), batch)])
        assert not written.refused


@pytest.fixture
def stores(store: Store, postgres_url: str, make_builder: MakeBuilder) -> Stores:
    return Stores(store, postgres_url, make_builder)


@pytest.fixture
def drive(stores: Stores) -> Stores:
    """Store one mission: in chunks, in records of their own, metrics and alerts."""
    times_ns = range(0, 3 * SECOND, 100 * MS)
    stores.record('r1', 'dawn', '/scan', *times_ns, max_age_ns=700 * MS)
    stores.record('r1', 'dawn', '/image', *times_ns[::3], single_record_bytes=1)
    stores.measure('r1', 'dawn', 'battery.percentage', *times_ns[::2])
    stores.measure('r1', 'dawn', 'odom.x', *(time_ns + 1000 for time_ns in times_ns))
    stores.tell('r1', 'dawn', SECOND, 2 * SECOND)
    return stores


BATTERY, X = '/metrics/battery/percentage', '/metrics/odom/x'
ORDER = ('/image', '/scan', BATTERY, X, '/events', '/alerts')


def drive_in_order(*topics: str) -> list[tuple[int, str]]:
    """Return what the drive has; of one time records come first, then metrics, then events."""
    there = []
    for step in range(30):
        time_ns = step * 100 * MS
        there += [(time_ns, '/scan'), (time_ns + 1000, X)]
        there += [(time_ns, '/image')] if step % 3 == 0 else []
        there += [(time_ns, BATTERY)] if step % 2 == 0 else []
        there += [(time_ns, '/events'), (time_ns, '/alerts')] if step in (10, 20) else []
    there.sort(key=lambda each: (each[0], ORDER.index(each[1])))
    return [each for each in there if not topics or each[1] in topics]


def test_records_metrics_and_events_come_in_one_order_and_always_the_same(drive: Stores) -> None:
    assert drive.told() == drive_in_order()
    first, second = drive.messages(), drive.messages()
    assert first == second
    assert len(first) == 30 + 10 + 15 + 30 + 4


@pytest.mark.parametrize('from_ns', [-1, 0, 1, SECOND, SECOND + 1, SECOND + 1001, 3 * SECOND])
def test_reading_from_a_time_gives_the_rest_of_the_same_order(drive: Stores, from_ns: int) -> None:
    assert drive.told(T0 + from_ns) == [
        each for each in drive_in_order() if each[0] >= from_ns
    ]


@pytest.mark.parametrize(('topics', 'there'), [
    (('/metrics/*',), (BATTERY, X)),
    (('/metrics/odom/*', '/scan'), (X, '/scan')),
    (('alerts',), ('/alerts',)),
    (('/image',), ('/image',)),
    (('*',), ()),
])
def test_topics_select_in_both_stores(
    drive: Stores, topics: tuple[str, ...], there: tuple[str, ...]
) -> None:
    assert drive.told(topics=topics) == drive_in_order(*there)


def test_a_span_selects_in_both_stores(drive: Stores) -> None:
    found = drive.told(from_ns=T0 + SECOND, to_ns=T0 + 2 * SECOND)
    assert found == [each for each in drive_in_order() if SECOND <= each[0] < 2 * SECOND]


def test_without_a_history_there_are_records_only(drive: Stores) -> None:
    assert drive.told(history=False) == drive_in_order('/scan', '/image')
    assert drive.connections_left() == 0


def test_a_history_that_nobody_has_written_to_adds_nothing(stores: Stores) -> None:
    stores.record('r1', 'dawn', '/scan', 0, SECOND)
    assert stores.told() == [(0, '/scan'), (SECOND, '/scan')]
    assert stores.runs() == [(0, 'r1 dawn /scan'), (SECOND, 'r1 dawn /scan')]


@pytest.mark.parametrize('align', Align)
def test_a_history_without_records_is_a_timeline_too(stores: Stores, align: Align) -> None:
    stores.measure('r1', 'dawn', 'battery', 0, SECOND)
    stores.tell('r1', 'dawn', SECOND)
    there = [(0, '/metrics/battery'), (SECOND, '/metrics/battery')]
    there += [(SECOND, '/events'), (SECOND, '/alerts')]
    assert stores.told(align=align) == there


def test_span_and_channels_are_those_of_all(drive: Stores) -> None:
    async def question(timeline: Timeline) -> Any:
        return await timeline.span(), timeline.channels

    (start_ns, end_ns), channels = drive.ask(question)
    assert start_ns == T0
    assert T0 + 2_900_001_000 <= end_ns < T0 + 2_900_002_000
    assert [(robot, channel.topic) for robot, channel in channels] == [
        ('r1', '/image'), ('r1', '/scan'), ('r1', BATTERY), ('r1', X),
        ('r1', '/alerts'), ('r1', '/events'),
    ]


R1 = 'r1 (missions dawn; 2025-11-23 12:13:20.000 UTC to 2025-11-23 12:13:22.800 UTC)'


@pytest.mark.parametrize(('selected', 'text'), [
    ({'robots': ('r9',)}, f'nothing matches --robot r9; there is {R1}'),
    (
        {'robots': ('r1',), 'topics': ('/metrics/batery/*',)},
        f'nothing matches --robot r1 --topic /metrics/batery/*; there is {R1}; '
        f'topics /image, /scan; in the history topics /alerts, /events, {BATTERY}, {X}',
    ),
    (
        {'robots': ('r9',), 'topics': ('/odom',)},
        f'nothing matches --robot r9 --topic /odom; there is {R1}',
    ),
    ({'missions': ('dusk',)}, f'nothing matches --mission dusk; there is {R1}'),
])
@pytest.mark.parametrize('align', Align)
def test_a_selection_without_messages_is_answered_with_what_there_is(
    drive: Stores, align: Align, selected: dict[str, Any], text: str
) -> None:
    assert drive.text_of_nothing(align=align, **selected) == text
    assert drive.connections_left() == 0


@pytest.mark.parametrize('align', Align)
def test_a_time_between_two_messages_of_a_chunk_matches_nothing(
    stores: Stores, align: Align
) -> None:
    stores.record('r1', 'dawn', '/scan', 0, SECOND, max_age_ns=2 * SECOND)
    assert stores.store.record_counts() == {'r1/scan': 1}
    text = stores.text_of_nothing(align=align, from_ns=T0 + 1, to_ns=T0 + SECOND)
    assert text.startswith('nothing matches everything, 2025-11-23 12:13:20.000 UTC to ')
    assert stores.told(align=align, from_ns=T0 + 1, to_ns=T0 + SECOND + 1) == [(SECOND, '/scan')]


@pytest.mark.parametrize('history', [True, False])
@pytest.mark.parametrize('align', Align)
def test_nothing_at_all_names_the_bucket_that_is_not_there(
    stores: Stores, align: Align, history: bool
) -> None:
    bucket = stores.store.settings.bucket
    assert f'has no bucket {bucket!r}' in stores.text_of_nothing(align=align, history=history)


def test_of_many_topics_some_are_named(stores: Stores) -> None:
    for number in range(23):
        stores.measure('r1', 'dawn', f'm{number:02}', 0)
    text = stores.text_of_nothing(topics=('/odom',))
    assert text.endswith('/metrics/m18, /metrics/m19, 3 more')


@pytest.fixture
def fleet(stores: Stores) -> Stores:
    """
    Store three runs of two robots.

    r1 noon  begins with a record, an hour after T0
    r2 dawn  begins with a metric, at T0 + 40 ns less than 2 hours
    r1 dawn  begins with an event, 3 hours after T0
    """
    stores.record('r1', 'noon', '/scan', HOUR, HOUR + 300 * MS, HOUR + SECOND)
    stores.measure('r1', 'noon', 'm', HOUR, HOUR + 500 * MS)
    start_ns = 2 * HOUR - 40_000
    stores.measure('r2', 'dawn', 'm', start_ns, start_ns + 300 * MS)
    stores.record('r2', 'dawn', '/scan', start_ns + 7, start_ns + 300 * MS, start_ns + SECOND)
    start_ns = 3 * HOUR
    stores.tell('r1', 'dawn', start_ns)
    stores.record('r1', 'dawn', '/scan', start_ns, start_ns + 300 * MS)
    return stores


FLEET = [
    (HOUR, 'r1 noon /scan'),
    (HOUR, 'r1 dawn /scan'),
    (HOUR, 'r1 noon /metrics/m'),
    (HOUR, 'r2 dawn /metrics/m'),
    (HOUR, 'r1 dawn /events'),
    (HOUR, 'r1 dawn /alerts'),
    (HOUR + 7, 'r2 dawn /scan'),
    (HOUR + 300 * MS, 'r1 noon /scan'),
    (HOUR + 300 * MS, 'r2 dawn /scan'),
    (HOUR + 300 * MS, 'r1 dawn /scan'),
    (HOUR + 300 * MS, 'r2 dawn /metrics/m'),
    (HOUR + 500 * MS, 'r1 noon /metrics/m'),
    (HOUR + SECOND, 'r1 noon /scan'),
    (HOUR + SECOND, 'r2 dawn /scan'),
]


def test_runs_begin_together_and_their_intervals_stay(fleet: Stores) -> None:
    assert fleet.runs() == FLEET
    assert fleet.messages(align=Align.START) == fleet.messages(align=Align.START)
    assert fleet.shifts() == [
        (('r1', 'noon'), 0), (('r2', 'dawn'), 40_000 - HOUR), (('r1', 'dawn'), -2 * HOUR)
    ]


def test_a_shift_tells_the_times_of_recording(fleet: Stores) -> None:
    async def question(timeline: Timeline) -> Any:
        moved = [message async for batch in timeline.batches() for message in batch.messages]
        return timeline.shifts, moved, await timeline.span()

    shifts, moved, (start_ns, end_ns) = fleet.ask(question, align=Align.START)
    back = []
    for message in moved:
        shift_ns = shifts[message.labels['robot_id'], message.labels['mission_id']]
        back.append(message._replace(
            receive_ns=message.receive_ns - shift_ns, publish_ns=message.publish_ns - shift_ns
        ))
    assert sorted(back, key=lambda message: message.receive_ns) == fleet.messages()
    assert start_ns == moved[0].receive_ns
    assert moved[-1].receive_ns <= end_ns < moved[-1].receive_ns + 1000


def test_reading_from_a_time_of_the_common_start_gives_the_rest(fleet: Stores) -> None:
    for from_ns in (0, HOUR, HOUR + 1, HOUR + 7, HOUR + 8, HOUR + 500 * MS, 2 * HOUR):
        assert fleet.runs(T0 + from_ns) == [each for each in FLEET if each[0] >= from_ns]
    assert fleet.runs(END_OF_TIME_NS) == []


@pytest.mark.parametrize(('selected', 'runs'), [
    ({'robots': ('r1',)}, [('r1', 'noon'), ('r1', 'dawn')]),
    ({'missions': ('dawn',)}, [('r2', 'dawn'), ('r1', 'dawn')]),
    ({'robots': ('r1',), 'missions': ('dawn',)}, [('r1', 'dawn')]),
    ({'topics': ('/metrics/*',)}, [('r1', 'noon'), ('r2', 'dawn')]),
    ({'topics': ('/events',)}, [('r1', 'dawn')]),
    ({'from_ns': T0 + 2 * HOUR}, [('r2', 'dawn'), ('r1', 'dawn')]),
    ({'to_ns': T0 + 3 * HOUR}, [('r1', 'noon'), ('r2', 'dawn')]),
    ({'sensors': ('lidar',)}, [('r1', 'noon'), ('r2', 'dawn'), ('r1', 'dawn')]),
])
def test_runs_without_selected_messages_are_left_out(
    fleet: Stores, selected: dict[str, Any], runs: list[tuple[str, str]]
) -> None:
    shifts = fleet.shifts(**selected)
    assert [run for run, _ in shifts] == runs
    assert shifts[0][1] == 0


def test_a_span_selects_times_of_recording_and_runs_begin_with_what_is_selected(
    fleet: Stores
) -> None:
    from_ns = 2 * HOUR - 40_000 + 100 * MS  # in the middle of r2's run
    assert fleet.runs(from_ns=T0 + from_ns, to_ns=T0 + 3 * HOUR + 1) == [
        (from_ns + 200 * MS, 'r2 dawn /scan'),
        (from_ns + 200 * MS, 'r1 dawn /scan'),
        (from_ns + 200 * MS, 'r2 dawn /metrics/m'),
        (from_ns + 200 * MS, 'r1 dawn /events'),
        (from_ns + 200 * MS, 'r1 dawn /alerts'),
        (from_ns + 900 * MS, 'r2 dawn /scan'),
    ]


def test_runs_of_one_begin_are_ordered_by_robot_and_mission(stores: Stores) -> None:
    for robot, mission in (('r2', 'a'), ('r1', 'b'), ('r1', 'a')):
        stores.record(robot, mission, f'/{mission}', 0, single_record_bytes=1)
    names = [(('r1', 'a'), 0), (('r1', 'b'), 0), (('r2', 'a'), 0)]
    assert stores.shifts() == names
    assert [run for _, run in stores.runs()] == ['r1 a /a', 'r1 b /b', 'r2 a /a']


def test_a_mission_whose_records_are_gone_is_still_a_run(stores: Stores) -> None:
    stores.record('r1', 'noon', '/scan', HOUR)
    stores.measure('r1', 'dawn', 'm', 5000)
    stores.measure('r3', 'dawn', 'm', 2 * HOUR)
    assert stores.shifts() == [
        (('r1', 'dawn'), 0), (('r1', 'noon'), 5000 - HOUR), (('r3', 'dawn'), 5000 - 2 * HOUR)
    ]
    assert stores.shifts(history=False) == [(('r1', 'noon'), 0)]


def test_a_mission_with_events_alone_is_a_run_and_so_is_what_came_after_its_end(
    stores: Stores
) -> None:
    stores.tell('r1', 'dawn', 0)
    assert stores.shifts() == [(('r1', 'dawn'), 0)]
    stores.measure('r1', 'dawn', 'm', SECOND)
    stores.tell('r1', 'dawn', HOUR)
    assert stores.runs(from_ns=T0 + 2 * SECOND) == [
        (HOUR, 'r1 dawn /events'), (HOUR, 'r1 dawn /alerts')
    ]


def test_what_belongs_to_no_mission_is_in_no_run(stores: Stores) -> None:
    stores.record('r1', '', '/scan', 0)
    stores.measure('r1', '', 'm', 1000)
    stores.tell('r1', '', 2000)
    assert 'there is r1 (missions none; ' in stores.text_of_nothing(align=Align.START)
    stores.record('r1', 'dawn', '/scan', HOUR)
    assert stores.runs() == [(HOUR, 'r1 dawn /scan')]
    assert len(stores.told()) == 5


def test_labels_select_runs(stores: Stores) -> None:
    stores.start('r1', 'dawn', 0, site='A')
    stores.start('r2', 'dawn', HOUR, site='B')
    stores.measure('r1', 'dawn', 'm', 0)
    stores.measure('r2', 'dawn', 'm', HOUR)
    assert stores.shifts(labels={'site': 'B'}) == [(('r2', 'dawn'), 0)]


def test_what_was_latched_once_holds_in_all_runs_after_it(stores: Stores) -> None:
    stores.record('r1', 'before', '/map', 0, channel=MAP, single_record_bytes=1)
    for mission, start_ns in (('dawn', HOUR), ('noon', 2 * HOUR)):
        stores.record('r1', mission, '/scan', start_ns, start_ns + 9 * SECOND)

    async def question(timeline: Timeline) -> list[Message]:
        return await timeline.latched(T0 + HOUR)

    selected = {'align': Align.START, 'missions': ('dawn', 'noon')}
    found = stores.ask(question, **selected)
    assert [(m.receive_ns - T0, m.labels['mission_id']) for m in found] == [
        (-HOUR, 'noon'), (0, 'dawn')
    ]


def test_each_run_has_what_was_latched_for_it(stores: Stores) -> None:
    for mission, start_ns in (('dawn', 0), ('noon', HOUR)):
        stores.record('r1', mission, '/map', start_ns, channel=MAP, single_record_bytes=1)
        stores.record('r1', mission, '/scan', start_ns + SECOND, start_ns + 9 * SECOND)

    async def question(timeline: Timeline) -> list[Message]:
        return await timeline.latched(T0 + 2 * HOUR)

    for topics in ((), ('/map', '/scan')):
        found = stores.ask(question, align=Align.START, topics=topics)
        assert [(m.receive_ns - T0, m.labels['mission_id']) for m in found] == [
            (0, 'dawn'), (0, 'noon')
        ]


@pytest.mark.parametrize('align', Align)
def test_a_bad_record_is_told_once_a_reading(stores: Stores, align: Align) -> None:
    stores.record('r1', 'dawn', '/scan', SECOND, single_record_bytes=1)
    stores.store.put(
        'r1/scan', T0 // 1000, b'no chunk', content_type='application/mcap',
        labels={'robot_id': 'r1', 'mission_id': 'dawn'},
    )
    bad: list[RecordError] = []

    async def question(timeline: Timeline) -> int:
        return sum([len(batch.messages) async for batch in timeline.batches()])

    assert stores.ask(question, align=align, on_bad_record=bad.append) == 1
    assert len(bad) == 1


@pytest.mark.parametrize('align', Align)
def test_connections_end_with_the_block(fleet: Stores, align: Align) -> None:
    async def leave(timeline: Timeline) -> None:
        await anext(timeline.batches())
        raise LookupError

    assert len(fleet.messages(align=align)) == len(FLEET)
    assert fleet.connections_left() == 0
    with pytest.raises(LookupError):
        fleet.ask(leave, align=align)
    assert fleet.connections_left() == 0


def test_the_history_of_all_runs_is_read_on_one_connection(fleet: Stores) -> None:
    async def question(timeline: Timeline) -> int:
        async for _ in timeline.batches():
            pass
        return fleet.connections()

    assert fleet.ask(question, align=Align.START) == 1


@pytest.mark.parametrize('align', Align)
def test_connections_end_where_opening_fails_in_the_middle(fleet: Stores, align: Align) -> None:
    fleet.change('ALTER TABLE event RENAME COLUMN kind TO species')
    with pytest.raises(StoreRefusedError, match='species|kind'):
        fleet.messages(align=align)
    assert fleet.connections_left() == 0


@pytest.mark.parametrize('align', Align)
def test_a_history_that_is_not_there_is_told_at_once(drive: Stores, align: Align) -> None:
    drive.settings = replace(
        drive.settings, history=PostgresSettings('postgresql://127.0.0.1:1/x', patience_s=600)
    )
    with pytest.raises(StoreUnavailableError, match='PostgreSQL at 127.0.0.1:1'):
        drive.messages(align=align)


def test_reading_may_be_cancelled_at_any_moment(drive: Stores) -> None:
    async def question(timeline: Timeline) -> list[Message]:
        async def work() -> None:
            async for _ in timeline.batches():
                pass

        for steps in range(0, 60, 3):
            reading = asyncio.create_task(work())
            for _ in range(steps):
                await asyncio.sleep(0.0005)
            reading.cancel()
            await asyncio.wait([reading])
        return [message async for batch in timeline.batches() for message in batch.messages]

    assert drive.ask(question) == drive.messages()
    assert drive.connections_left() == 0


@contextmanager
def locked_metrics(stores: Stores) -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
    """Hold the history's samples back; give what waits until somebody asks for them."""
    assert stores.settings.history
    with (
        psycopg.connect(stores.settings.history.url, autocommit=True) as watching,
        psycopg.connect(stores.settings.history.url) as locking,
    ):
        locking.execute('LOCK TABLE metric IN ACCESS EXCLUSIVE MODE')

        async def asked() -> None:
            while not watching.execute('SELECT FROM pg_locks WHERE NOT granted').fetchall():
                await asyncio.sleep(0.01)

        yield asked


def test_a_block_ends_also_while_the_history_does_not_answer(drive: Stores) -> None:
    with ExitStack() as held:

        async def question(timeline: Timeline) -> None:
            asked = held.enter_context(locked_metrics(drive))
            reading = asyncio.ensure_future(anext(timeline.batches()))
            await asked()
            reading.cancel()
            await asyncio.wait([reading])

        drive.ask(question)
        assert drive.connections_left() == 0
    assert drive.told() == drive_in_order()


@pytest.mark.parametrize('align', Align)
def test_opening_may_be_cancelled_while_the_history_does_not_answer(
    drive: Stores, align: Align
) -> None:
    async def work(asked: Callable[[], Coroutine[Any, Any, None]]) -> None:
        settings = replace(drive.settings, align=align)
        opening = asyncio.ensure_future(open_timeline(Selection(), settings).__aenter__())
        await asked()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    with locked_metrics(drive) as asked:
        asyncio.run(work(asked))
        assert drive.connections_left() == 0
