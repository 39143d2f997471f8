"""
Replication: chosen data of a robot's store goes on to another store, by ReductStore itself.

Each rule of the configuration is a replication task of the robot's ReductStore, which keeps a
list of what waits on its disk and sends it whenever the other store answers. A task takes what
is written while it exists, never what was there before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
import hashlib
import itertools
from typing import Any, NamedTuple

from reduct import Bucket
from reduct.batch.batch_v2 import RecordBatch
from reduct.msg.replication import ReplicationDetailInfo, ReplicationMode, ReplicationSettings

from twinsight_store import labels as label
from twinsight_store.connection import Connection, store_errors
from twinsight_store.errors import ConfigurationError, StoreRefusedError
from twinsight_store.replication_rule import (
    check_rules,
    entry_patterns,
    ReplicationRule,
    variable,
)
from twinsight_store.selection import all_of
from twinsight_store.writer import MAX_BATCH_RECORDS

_PRESENT = 409
"""The other store has the record already: sent twice after a break, stored once."""

_ABSENT = 404
"""A record is gone before it was sent; a description of a channel has given way to a newer one."""

_NO_PERMISSION = frozenset({401, 403})

_TRIED_AGAIN = frozenset({-3, -2, 429, 502, 503, 504})
"""No connection, a timeout, a busy server: after these ReductStore keeps what it has to send."""


class Changes(NamedTuple):
    """The replication tasks, by their names in the store, that were not as configured."""

    created: list[str]
    updated: list[str]
    removed: list[str]


class ReplicationState(NamedTuple):
    """
    How one task does.

    name       of the task in the store
    pending    records that wait to be sent
    reachable  False where the last attempt failed; True as well where none was needed yet
    given_up   at most so many records of the last hour will not be sent: the other store refused
               them, or the connection broke before it answered
    problem    what is wrong and what to do, in one line; empty where all is well
    """

    name: str
    pending: int
    reachable: bool
    given_up: int
    problem: str


async def ensure_replications(
    connection: Connection,
    rules: Collection[ReplicationRule],
    robot_id: str,
    buckets: Sequence[str] = (),
) -> Changes:
    """
    Make the robot's replication tasks in the store equal to the rules; nobody else's are touched.

    What still waits of a task that changes is sent by its new settings; what waits of a rule
    that is gone is not sent. Call it before records are written: a task that changes misses
    those that are written just then, and a new one needs the descriptions of the channels,
    which a writer stores with the first record. Where the robot's store was restarted, those
    that wait do so until the next one of the channel: hence StoreWriter.forget().

    buckets  which hold the robot's records; they exist. By default the connection's, which is
             made where it is absent.

    Raises ConfigurationError, StoreUnavailableError or StoreRefusedError, each one line; called
    again, it goes on where it stopped.
    """
    check_rules(rules)
    wanted: dict[str, ReplicationSettings] = {}
    own_bucket = connection.settings.bucket
    for rule in rules:
        for bucket in buckets or (own_bucket,):
            beside = '' if bucket == own_bucket else f'-{bucket}'
            wanted[f'{_prefix(robot_id)}{rule.name}{beside}'] = _task(rule, robot_id, bucket)
    try:
        names = await _task_names(connection)
    except StoreRefusedError as error:
        if error.status in _NO_PERMISSION and not rules:
            return Changes([], [], [])  # such a token cannot have made one either
        raise
    there = await _details(connection, names, robot_id)
    changes = Changes([], [], [])
    client = connection.client
    if wanted:
        await connection.bucket(create=True)
    with store_errors(connection.settings):
        for name, detail in there.items():
            if name not in wanted and not detail.info.is_provisioned:
                await client.delete_replication(name)
                changes.removed.append(name)
        for name, task in wanted.items():
            if name not in there and name in names:
                raise ConfigurationError(
                    f'replication task {name!r} in {connection.settings.url} is another '
                    "robot's: choose another name"
                )
            if name not in there:
                await client.create_replication(name, task)
                changes.created.append(name)
            elif not _same(there[name].settings, task):
                await client.update_replication(name, task)
                changes.updated.append(name)
            elif there[name].info.mode != task.mode:
                await client.set_replication_mode(name, task.mode)
                changes.updated.append(name)
    return changes


async def replication_states(connection: Connection, robot_id: str) -> list[ReplicationState]:
    """Return how the robot's tasks do; raises StoreUnavailableError or StoreRefusedError."""
    names = await _task_names(connection)
    details = await _details(connection, names, robot_id)
    return [_state(detail, robot_id) for _, detail in sorted(details.items())]


async def send_again(
    connection: Connection,
    rule: ReplicationRule,
    robot_id: str,
    from_us: int | None = None,
    to_us: int | None = None,
) -> int:
    """
    Have what a rule chooses in a span of the connection's bucket sent once more; say how many.

    For what ReductStore gave up (see ReplicationState), or what is older than the rule. What
    the other store has already is not stored twice, only its labels are sent. Call it while
    nobody records: ReductStore 1.21 locks up where two requests write to one entry.

    from_us, to_us  Unix microseconds, the end excluded; None for all there is

    Raises NothingMatchedError, StoreUnavailableError or StoreRefusedError.
    """
    bucket = await connection.bucket()
    with store_errors(connection.settings):
        chosen = [
            (record.entry, record.timestamp, {label.ROBOT: record.labels[label.ROBOT]})
            async for record in bucket.query(
                _patterns(rule, robot_id), from_us, to_us, when=_when(rule), head=True
            )
            if label.ROBOT in record.labels
        ]
        descriptions = []
        for entry in sorted({entry for entry, _, _ in chosen}):
            descriptions += [
                (record.entry, record.timestamp, {'key': record.labels['key']})
                async for record in bucket.query(f'{entry}/$meta', head=True)
            ]
        await _set_labels(bucket, descriptions)
        await _set_labels(bucket, chosen)
    return len(chosen)


async def _set_labels(bucket: Bucket, records: Iterable[tuple[str, int, dict[str, str]]]) -> None:
    """Set labels to what they are, by which the store puts the records on its list anew."""
    waiting = iter(records)
    while some := list(itertools.islice(waiting, MAX_BATCH_RECORDS)):
        batch = RecordBatch()
        for entry, timestamp_us, labels in some:
            batch.add(entry, timestamp_us, b'', labels=labels)
        await bucket.update_record_batch(batch)


def _prefix(robot_id: str) -> str:
    return f'twinsight-{label.check_robot_id(robot_id)}-'


def _task(rule: ReplicationRule, robot_id: str, bucket: str) -> ReplicationSettings:
    return ReplicationSettings(
        src_bucket=bucket,
        dst_bucket=rule.bucket,
        dst_host=rule.url,
        dst_token=rule.token or '',  # an absent one would leave the former one in force
        # They hold for `<entry>/$meta` too, and `when` does not: descriptions always come along.
        entries=_patterns(rule, robot_id),
        when=_when(rule),
        mode=ReplicationMode.PAUSED if rule.paused else ReplicationMode.ENABLED,
    )


def _patterns(rule: ReplicationRule, robot_id: str) -> list[str]:
    patterns = (entry_patterns(robot_id, topic) for topic in rule.topics)
    return list(dict.fromkeys(itertools.chain.from_iterable(patterns)))


def _when(rule: ReplicationRule) -> dict[str, Any] | None:
    conditions: list[dict[str, Any]] = []
    if rule.token:
        # The store does not tell its token, so that it changed is seen by this, which is true.
        digest = hashlib.sha256(f'{rule.name}\0{rule.token}'.encode()).hexdigest()[:8]
        conditions.append({'$starts_with': [f'token-{digest}', 'token-']})
    for name, accepted in rule.labels.items():
        # Asked for a label that is absent, the store writes a warning for each record.
        conditions.append({'$exists': [name]})
        texts = (accepted,) if isinstance(accepted, str) else accepted
        conditions.append({'$or': [label.condition(name, text) for text in texts]})
    return all_of(*conditions)


def _same(there: ReplicationSettings, wanted: ReplicationSettings) -> bool:
    """Return whether tasks are equal but for mode and token, which the store does not tell."""
    aside = {'dst_token', 'mode'}
    return there.model_dump(exclude=aside) == wanted.model_dump(exclude=aside)


async def _task_names(connection: Connection) -> list[str]:
    try:
        with store_errors(connection.settings):
            return [task.name for task in await connection.client.get_replications()]
    except StoreRefusedError as error:
        if error.status in _NO_PERMISSION:
            raise StoreRefusedError(
                f'{error} to one with full access, which replication needs', error.status
            ) from error
        raise


async def _details(
    connection: Connection, names: Collection[str], robot_id: str
) -> dict[str, ReplicationDetailInfo]:
    """Return the robot's own tasks; "a" has none of those of "a-b", whatever they are called."""
    found = {}
    with store_errors(connection.settings):
        for name in names:
            if name.startswith(_prefix(robot_id)):
                detail = await connection.client.get_replication_detail(name)
                entries = detail.settings.entries
                if entries and all(entry.startswith(f'{robot_id}/') for entry in entries):
                    found[name] = detail
    return found


def _state(detail: ReplicationDetailInfo, robot_id: str) -> ReplicationState:
    info = detail.info
    host = detail.settings.dst_host
    errors = {
        status: error
        for status, error in detail.diagnostics.hourly.errors.items()
        if status != _PRESENT and not (status == _ABSENT and '/$meta/' in error.last_message)
    }
    given_up = sum(
        error.count for status, error in errors.items() if status not in _TRIED_AGAIN
    )
    reasons = '; '.join(
        f'{" ".join(error.last_message.split())} ({status})' for status, error in errors.items()
    )
    problem = ''
    if errors.keys() & _NO_PERMISSION:
        rule = info.name.removeprefix(_prefix(robot_id))
        when = 'refused the token in the last hour' if info.is_active else 'refuses the token'
        problem = f'{host} {when}: {reasons}: set {variable(rule, "TOKEN")}'
    elif not info.is_active:
        problem = f'{host} does not answer{reasons and f": {reasons}"}'
    elif given_up:
        problem = f'{given_up} records of the last hour did not reach {host}: {reasons}'
    if problem:
        problem = f'replication {info.name}: {problem}; {info.pending_records} records wait'
    return ReplicationState(
        info.name, info.pending_records, info.is_active, given_up, problem
    )
