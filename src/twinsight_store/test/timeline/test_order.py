"""What a selection's timeline has, in which order, and what is said where it has nothing."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

import pytest

from twinsight_store.errors import RecordError
from twinsight_store.open_timeline import Align
from twinsight_store.timeline import Timeline

if TYPE_CHECKING:
    from conftest import Stores

T0 = 1_763_900_000_000_000_000
MS = 1_000_000
SECOND = 1_000_000_000

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
