"""Replication between two real stores: the robot's ("edge") and the one that it reports to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
import os
from pathlib import Path
import signal
import time
from typing import Any, NamedTuple, TYPE_CHECKING

import pytest
from reduct import Permissions
from reduct.msg.replication import ReplicationSettings

from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.errors import ConfigurationError, StoreRefusedError
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.replication import (
    Changes,
    ensure_replications,
    replication_states,
    ReplicationState,
    send_again,
)
from twinsight_store.replication_rule import ReplicationRule
from twinsight_tools import reductstore

if TYPE_CHECKING:
    from conftest import Store
    from twinsight_store.connection import Connection
    from twinsight_store.layout import Record
    from twinsight_tools.launch import Program
    from twinsight_tools.private import PrivateServer

T0 = 1_763_900_000_000_000_000
MILLISECOND = 1_000_000
ROBOT = 'robot_01'
NOTHING = Changes([], [], [])
LONGEST_WAIT_S = 60.0


class Raw(NamedTuple):
    """All that a record consists of."""

    entry: str
    timestamp_us: int
    content_type: str
    labels: dict[str, str]
    data: bytes


class Robot:
    """A robot with a store of its own, and the rules of what leaves it."""

    def __init__(self, edge: Store, robot_id: str = ROBOT) -> None:
        self.edge = edge
        self.id = robot_id
        self.sequence = 0

    def configure(self, *rules: ReplicationRule, buckets: tuple[str, ...] = ()) -> Changes:
        """Do what the recorder does once it is connected."""
        return self.edge.ask(
            lambda connection: ensure_replications(connection, rules, self.id, buckets)
        )

    def states(self) -> list[ReplicationState]:
        """Return what the recorder says of its replications."""
        return self.edge.ask(lambda connection: replication_states(connection, self.id))

    def record(
        self, topic: str, count: int = 1, chunk: bool = False, **labels: str
    ) -> list[Record]:
        """Record messages, each a record of its own or all in a chunk; return the records."""
        mission = labels.pop('mission', 'dawn')
        builder = RecordBuilder(
            self.id,
            Channel(topic, 'std_msgs/msg/String', 'ros2msg', b'string data\n'),
            label.record_labels(self.id, mission, labels.pop('sensor', ''), labels),
            ChunkRules(single_record_bytes=10_000 if chunk else 1),
        )
        records = []
        for _ in range(count):
            self.sequence += 1
            receive_ns = T0 + self.sequence * MILLISECOND
            payload = f'{topic} {self.sequence} {labels}'.encode()
            records += builder.add(receive_ns, receive_ns, self.sequence, payload)
        records += builder.flush()
        assert len(self.edge.write(records).stored) == len(records)
        return records

    def has_sent_all(self) -> bool:
        """Tell whether nothing waits to be sent."""
        return all(state.pending == 0 for state in self.states())


def raw(store: Store) -> list[Raw]:
    """Return every record of a bucket, its entries' descriptions left aside."""

    async def work(connection: Connection) -> list[Raw]:
        names = [bucket.name for bucket in await connection.client.list()]
        if connection.settings.bucket not in names:
            return []
        bucket = await connection.bucket()
        if not [entry for entry in await bucket.get_entry_list() if entry.record_count]:
            return []
        return [
            Raw(
                record.entry, record.timestamp, record.content_type, record.labels,
                await record.read_all(),
            )
            async for record in bucket.query('*')
        ]

    return sorted(store.ask(work), key=lambda record: record[:2])


def as_raw(records: Collection[Record]) -> list[Raw]:
    """Return what these records are in any store that holds them."""
    written = [
        Raw(each.entry, each.timestamp_us, each.content_type, dict(each.labels), each.data)
        for each in records
    ]
    return sorted(written, key=lambda record: record[:2])


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + LONGEST_WAIT_S
    while not condition():
        assert time.monotonic() < end, f'in {LONGEST_WAIT_S} s it did not happen: {what}'
        time.sleep(0.1)


def wait_until_arrived(robot: Robot, central: Store, records: Collection[Record]) -> None:
    """Wait for all that is chosen, and then for whatever else may still be on its way."""
    wait_until(lambda: len(raw(central)) >= len(records), f'{len(records)} records arrive')
    wait_until(robot.has_sent_all, 'nothing waits any more')
    assert raw(central) == as_raw(records)


def holds_unread_bytes(server: PrivateServer) -> bool:
    """Tell whether somebody sent a server something that it did not take yet."""
    for line in Path('/proc/net/tcp').read_text().splitlines()[1:]:
        _, local, _, _, queues, *_ = line.split()
        if int(local.split(':')[1], 16) == server.port and int(queues.split(':')[1], 16):
            return True
    return False


@pytest.fixture
def central_server(reduct_binary: Program, tmp_path: Path) -> Iterator[PrivateServer]:
    """Give the server that a robot reports to."""
    with reductstore.running(reduct_binary, tmp_path / 'central') as server:
        yield server


@pytest.fixture
def central(central_server: PrivateServer, store_at: Callable[..., Store]) -> Store:
    """Return the bucket there; the rules name it ``fleet``."""
    return store_at(central_server.url, bucket='fleet')


@pytest.fixture
def robot(reduct_server: PrivateServer, store_at: Callable[..., Store]) -> Robot:
    """Return a robot with a server of its own."""
    return Robot(store_at(reduct_server.url))


@pytest.fixture
def rule(central_server: PrivateServer) -> Callable[..., ReplicationRule]:
    """Return a function that makes rules; by default all of the robot's data is chosen."""

    def make(name: str = 'central', **rule: Any) -> ReplicationRule:
        usual = {'url': central_server.url, 'bucket': 'fleet'}
        return ReplicationRule(name, **{**usual, **rule})

    return make


def test_only_chosen_topics_with_chosen_labels_leave_the_robot_and_are_readable_there(
    robot: Robot, central: Store, rule: Callable[..., ReplicationRule]
) -> None:
    robot.configure(
        rule(topics=('/state', '/arm/*'), labels={'event': 'collision', 'mission_id': 'dawn'})
    )
    chosen = robot.record('/state', 3, event='collision')
    robot.record('/state', 3, event='tour')
    robot.record('/state', 3)
    robot.record('/state', 3, event='collision', mission='noon')
    chosen += robot.record('/arm/left/joints', 5, chunk=True, event='collision')
    robot.record('/camera/image', 3, event='collision')
    robot.record('/states', 3, event='collision')
    wait_until_arrived(robot, central, chosen)
    there = central.read()
    assert [message.sequence for message in there] == [1, 2, 3, 13, 14, 15, 16, 17]
    assert {message.channel.topic for message in there} == {'/state', '/arm/left/joints'}
    assert {message.channel.schema for message in there} == {b'string data\n'}
    at_home = robot.edge.read(
        topics=('/state', '/arm/*'), labels={'event': 'collision'}, missions=('dawn',)
    )
    assert there == at_home
    assert [state.problem for state in robot.states()] == ['']


def test_each_label_is_chosen_by_its_exact_text(
    robot: Robot, store_at: Callable[..., Store], central: Store,
    rule: Callable[..., ReplicationRule],
) -> None:
    values = ['42', '1h', 'true', 'Früh Schicht', 'a,b', '0.5', '$limit', '&site', 'nan', 'dusk']
    robot.configure(*(
        rule(f'rule-{number}', bucket=f'fleet-{number}', labels={'event': value})
        for number, value in enumerate(values)
    ))  # fmt: skip
    records = [robot.record('/state', event=value) for value in values]
    robot.record('/state', event='none of them')
    for number, chosen in enumerate(records):
        wait_until_arrived(robot, store_at(central.settings.url, bucket=f'fleet-{number}'), chosen)


def test_several_texts_of_a_label_are_alternatives(
    robot: Robot, central: Store, rule: Callable[..., ReplicationRule]
) -> None:
    robot.configure(rule(labels={'event': ('collision', '7'), 'site': 'north'}))
    chosen = robot.record('/state', event='collision', site='north')
    robot.record('/state', event='tour', site='north')
    robot.record('/state', event='collision', site='south')
    chosen += robot.record('/state', event='7', site='north')
    wait_until_arrived(robot, central, chosen)


def test_all_that_is_chosen_while_the_other_store_is_away_arrives_later_and_once(
    robot: Robot, central: Store, central_server: PrivateServer,
    rule: Callable[..., ReplicationRule],
) -> None:
    robot.configure(rule(topics=('/state',), labels={'event': 'collision'}))
    chosen = robot.record('/state', 5, event='collision')
    wait_until_arrived(robot, central, chosen)
    central_server.stop()
    for _ in range(3):  # three runs of the recorder, each describing its channels anew
        chosen += robot.record('/state', 100, event='collision')
        robot.record('/state', 10, event='tour')
    wait_until(lambda: not robot.states()[0].reachable, 'it is noticed that the other is away')
    [state] = robot.states()
    assert state.pending >= 300
    assert f'{central_server.url} does not answer' in state.problem
    central_server.start()
    wait_until_arrived(robot, central, chosen)
    assert [message.sequence for message in central.read()] == [
        message.sequence for message in robot.edge.read(labels={'event': 'collision'})
    ]
    wait_until(lambda: robot.states()[0].reachable, 'it is noticed that the other is back')
    [state] = robot.states()
    assert state[1:] == (0, True, 0, '')


def test_what_is_lost_with_a_connection_that_breaks_is_known_and_can_be_sent_again(
    robot: Robot, central: Store, central_server: PrivateServer,
    rule: Callable[..., ReplicationRule],
) -> None:
    some = rule(topics=('/state',), labels={'event': 'collision, hard'}, token='any')
    robot.configure(some)
    chosen = robot.record('/state', 5, event='collision, hard')
    robot.record('/state', event='tour')
    wait_until_arrived(robot, central, chosen)
    assert central_server.pid is not None
    os.kill(central_server.pid, signal.SIGSTOP)  # takes connections and answers none
    chosen += robot.record('/state', 20, event='collision, hard')
    wait_until(lambda: holds_unread_bytes(central_server), 'records are on their way')
    central_server.kill()
    central_server.start()
    wait_until(
        lambda: len(raw(central)) == 25 or robot.states()[0].given_up,
        'all records arrive, or it is known that some do not',
    )
    wait_until(robot.has_sent_all, 'nothing waits any more')
    [state] = robot.states()
    lost = f'records of the last hour did not reach {central_server.url}'
    assert (lost in state.problem) == (state.given_up > 0)
    assert robot.edge.ask(lambda connection: send_again(connection, some, ROBOT)) == 25
    wait_until_arrived(robot, central, chosen)
    assert len(central.read()) == 25
    assert len(raw(robot.edge)) == 26


def test_what_was_there_before_the_rule_stays_until_it_is_sent_again(
    robot: Robot, central: Store, rule: Callable[..., ReplicationRule]
) -> None:
    robot.record('/state', 100, event='tour')
    early = robot.record('/state', 100, event='collision')
    late = robot.record('/state', 100, event='collision')
    some = rule(topics=('/state',), labels={'event': 'collision'})
    robot.configure(some)
    assert robot.has_sent_all()
    assert raw(central) == []
    for span, chosen in (((late[0].timestamp_us, None), late), ((None, None), early + late)):
        asked = partial(send_again, rule=some, robot_id=ROBOT, from_us=span[0], to_us=span[1])
        assert robot.edge.ask(asked) == len(chosen)
        wait_until_arrived(robot, central, chosen)
    assert [message.sequence for message in central.read()] == list(range(101, 301))


def test_what_waits_outlives_the_death_of_the_robots_own_store(
    robot: Robot, central: Store, central_server: PrivateServer, reduct_server: PrivateServer,
    rule: Callable[..., ReplicationRule],
) -> None:
    central_server.stop()
    robot.configure(rule(labels={'event': 'collision'}, token='any'))
    chosen = robot.record('/state', 50, event='collision')
    wait_until(lambda: robot.states()[0].pending == 52, '50 records and 2 descriptions wait')
    reduct_server.kill()
    reduct_server.start()
    assert robot.configure(rule(labels={'event': 'collision'}, token='any')) == NOTHING
    chosen += robot.record('/state', event='collision')
    central_server.start()
    wait_until_arrived(robot, central, chosen)
    assert len(central.read()) == 51


def test_a_second_start_with_the_same_rules_changes_nothing(
    robot: Robot, central: Store, rule: Callable[..., ReplicationRule]
) -> None:
    rules = (
        rule('all', token='any'),
        rule('some', bucket='other', topics=('*/state', '/a*b'), labels={'event': '1e3'}),
        rule('later', bucket='third', topics=('/camera/*',), paused=True),
    )
    names = [f'twinsight-robot_01-{name}' for name in ('all', 'some', 'later')]
    assert robot.configure(*rules) == Changes(names, [], [])
    wait_until_arrived(robot, central, robot.record('/state'))
    # A task counts what it sent once it has taken it from its list.
    wait_until(lambda: _task(robot, names[0]).diagnostics.hourly.ok, 'what was sent is counted')
    before = _task(robot, names[0])
    assert robot.configure(*rules) == NOTHING
    after = _task(robot, names[0])
    assert (after.info, after.settings) == (before.info, before.settings)
    assert after.diagnostics.hourly.ok >= before.diagnostics.hourly.ok  # it is the same task


@pytest.mark.parametrize('change', [
    {'topics': ('/camera/*',)}, {'labels': {'event': 'tour'}}, {'bucket': 'fleet2'},
    {'token': 'another'}, {'token': None}, {'paused': True},
])
def test_a_changed_rule_is_a_changed_task(
    robot: Robot, rule: Callable[..., ReplicationRule], change: dict[str, Any]
) -> None:
    first = {'topics': ('/state',), 'labels': {'event': 'collision'}, 'token': 'one'}
    name = 'twinsight-robot_01-central'
    assert robot.configure(rule(**first)) == Changes([name], [], [])
    assert robot.configure(rule(**{**first, **change})) == Changes([], [name], [])
    assert robot.configure(rule(**{**first, **change})) == NOTHING


def test_after_a_change_the_new_rule_decides(
    robot: Robot, central: Store, rule: Callable[..., ReplicationRule]
) -> None:
    robot.configure(rule(topics=('/state',), labels={'event': 'collision'}))
    chosen = robot.record('/state', event='collision')
    wait_until_arrived(robot, central, chosen)
    robot.configure(rule(topics=('/arm',), labels={'event': 'tour'}))
    robot.record('/state', event='collision')
    robot.record('/state', event='tour')
    chosen += robot.record('/arm', event='tour')
    wait_until_arrived(robot, central, chosen)


def test_a_rule_that_is_gone_takes_its_task_along_and_no_other(
    robot: Robot, central: Store, rule: Callable[..., ReplicationRule]
) -> None:
    neighbour = Robot(robot.edge, f'{ROBOT}-b')
    neighbour.configure(rule())

    async def make_by_hand(connection: Connection) -> None:
        foreign = ReplicationSettings(
            src_bucket=connection.settings.bucket, dst_bucket='x', dst_host=rule().url
        )
        for name in ('backup', f'twinsight-{ROBOT}-by-hand'):
            await connection.client.create_replication(name, foreign)

    robot.edge.ask(make_by_hand)
    robot.configure(rule('keep'), rule('drop', bucket='other'))
    assert robot.configure(rule('keep')) == Changes([], [], [f'twinsight-{ROBOT}-drop'])
    assert robot.configure() == Changes([], [], [f'twinsight-{ROBOT}-keep'])
    assert _task_names(robot) == [
        'backup', f'twinsight-{ROBOT}-b-central', f'twinsight-{ROBOT}-by-hand',
    ]  # fmt: skip
    robot.record('/state')
    neighbours = neighbour.record('/state')
    wait_until_arrived(neighbour, central, neighbours)
    with pytest.raises(ConfigurationError, match="by-hand' in http.* is another robot's: choose"):
        robot.configure(rule('by-hand'))


def test_a_paused_rule_keeps_what_is_chosen_until_it_goes_on(
    robot: Robot, central: Store, rule: Callable[..., ReplicationRule]
) -> None:
    robot.configure(rule(paused=True))
    chosen = robot.record('/state', 4)
    wait_until(lambda: robot.states()[0].pending == 6, '4 records and 2 descriptions wait')
    assert raw(central) == []
    robot.configure(rule())
    wait_until_arrived(robot, central, chosen)


def test_each_bucket_of_the_robot_has_a_task_of_its_own(
    robot: Robot, central: Store, store_at: Callable[..., Store],
    rule: Callable[..., ReplicationRule],
) -> None:
    beside = Robot(store_at(robot.edge.settings.url, bucket='cameras'))
    beside.record('/before')  # makes the bucket
    made = robot.configure(rule(), buckets=('twinsight', 'cameras'))
    assert made.created == [f'twinsight-{ROBOT}-central', f'twinsight-{ROBOT}-central-cameras']
    wait_until_arrived(robot, central, robot.record('/state') + beside.record('/image'))


def test_a_wrong_token_of_the_other_store_is_said_with_the_variable_to_set(
    robot: Robot, guarded_server: PrivateServer, store_at: Callable[..., Store],
    rule: Callable[..., ReplicationRule],
) -> None:
    robot.configure(rule('head-office', url=guarded_server.url, token='wr0ng'))
    chosen = robot.record('/state', 3)
    wait_until(lambda: 'token' in robot.states()[0].problem, 'the token is refused')
    [state] = robot.states()
    assert f'{guarded_server.url} refuses the token: ' in state.problem
    assert 'set TWINSIGHT_REPLICATION_HEAD_OFFICE_TOKEN; 5 records wait' in state.problem
    assert not state.reachable
    assert 'wr0ng' not in state.problem
    assert '\n' not in state.problem
    robot.configure(rule('head-office', url=guarded_server.url, token='right'))
    central = store_at(guarded_server.url, bucket='fleet', token='right')
    wait_until_arrived(robot, central, chosen)
    assert robot.states()[0].problem == ''


def test_a_token_of_the_robots_store_without_full_access_does_for_recording_only(
    guarded_server: PrivateServer, store_at: Callable[..., Store],
    rule: Callable[..., ReplicationRule],
) -> None:
    async def make_token(connection: Connection) -> str:
        await connection.bucket(create=True)
        name = connection.settings.bucket
        return await connection.client.create_token(
            'recorder', Permissions(full_access=False, read=[name], write=[name])
        )

    token = store_at(guarded_server.url, token='right').ask(make_token)
    robot = Robot(store_at(guarded_server.url, token=token))
    assert robot.configure() == NOTHING
    with pytest.raises(StoreRefusedError) as error:
        robot.configure(rule())
    assert str(error.value).endswith(
        ': set TWINSIGHT_REDUCT_TOKEN to one with full access, which replication needs'
    )


def test_a_rule_that_leads_back_to_the_same_bucket_is_refused_in_one_line(
    robot: Robot, rule: Callable[..., ReplicationRule]
) -> None:
    with pytest.raises(StoreRefusedError, match='Source and destination buckets must be diff'):
        robot.configure(rule(url=robot.edge.settings.url, bucket=robot.edge.settings.bucket))


def _task(robot: Robot, name: str) -> Any:
    return robot.edge.ask(lambda connection: connection.client.get_replication_detail(name))


def _task_names(robot: Robot) -> list[str]:
    async def work(connection: Connection) -> list[str]:
        return sorted(task.name for task in await connection.client.get_replications())

    return robot.edge.ask(work)
