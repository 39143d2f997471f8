"""Runs of several robots and missions that begin together."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

import pytest

from twinsight_store.channel import Channel, QOS_KEY
from twinsight_store.message import END_OF_TIME_NS, Message
from twinsight_store.open_timeline import Align
from twinsight_store.timeline import Timeline

if TYPE_CHECKING:
    from conftest import Stores

T0 = 1_763_900_000_000_000_000
MS = 1_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
LATCHED = '- {reliability: reliable, durability: transient_local, history: keep_last, depth: 1}'
MAP = Channel('/map', 'nav_msgs/msg/OccupancyGrid', 'ros2msg', b'', metadata={QOS_KEY: LATCHED})

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
