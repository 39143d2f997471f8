"""A recorder's status: for people as a table, for programs as a dictionary."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Time
from rich.console import Group
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from twinsight_interfaces.msg import RecorderStatus, TopicStatus

_COUNTS = {
    'received': 'received', 'stored': 'stored', 'lost': 'lost', 'dropped': 'dropped',
    'refused': 'refused', 'rate_limited': 'rate limited', 'left_out': 'left out',
    'waiting': 'waiting',
}
_MODES = {
    RecorderStatus.MODE_STOPPED: 'stopped',
    RecorderStatus.MODE_RECORDING: 'recording',
    RecorderStatus.MODE_PAUSED: 'paused',
    RecorderStatus.MODE_SNAPSHOT: 'snapshot',
}
_STORES = {
    RecorderStatus.STORE_WAITING: 'waiting',
    RecorderStatus.STORE_OK: 'ok',
    RecorderStatus.STORE_REFUSING: 'refusing',
}
_BAD = frozenset({'lost', 'dropped', 'refused'})
_BAD_STYLE = 'bold red'


def as_dict(name: str, status: RecorderStatus) -> dict[str, Any]:
    """Return the fields of RecorderStatus; mode and store as words, times in Unix ns."""
    return {
        'recorder': name,
        'stamp_ns': _ns(status.header.stamp),
        'started_ns': _ns(status.started),
        **{
            field: getattr(status, field)
            for field in _fields(status, ('header', 'started', 'topics'))
        },
        'mode': _MODES[status.mode],
        'store': _STORES[status.store],
        'topics': [
            {field: getattr(topic, field) for field in _fields(topic)} for topic in status.topics
        ],
    }


def as_table(name: str, status: RecorderStatus) -> Group:
    """Return how the recorder does, and under it what became of each topic's messages."""
    return Group(_head(name, status), _topics(status.topics))


def _head(name: str, status: RecorderStatus) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style='bold')
    table.add_column(overflow='fold')
    part = f', part {status.part}' if status.part else ''
    table.add_row('recorder', Text(f'{name}: {_MODES[status.mode]}'))
    table.add_row('robot', Text(status.robot_id))
    table.add_row('mission', Text(f'{status.mission_id}{part}'))
    table.add_row('store', _with_problem(_STORES[status.store], status.store_message))
    table.add_row(
        'queue', f'{decimal(status.queued_bytes)} of {decimal(status.queue_limit_bytes)}'
    )
    spool = 'none'
    if status.spool_limit_bytes:
        spool = f'{decimal(status.spool_bytes)} of {decimal(status.spool_limit_bytes)}'
    table.add_row('spool', _with_problem(spool, status.spool_message))
    table.add_row('lag', f'{status.lag_s:.1f} s')
    table.add_row(
        'rates',
        f'{status.messages_per_s:,.1f} messages/s, {decimal(round(status.bytes_per_s))}/s '
        f'received; {status.stored_messages_per_s:,.1f} messages/s stored',
    )
    return table


def _with_problem(text: str, problem: str) -> Text:
    if not problem:
        return Text(text)
    return Text.assemble(text, ': ', (problem, _BAD_STYLE))


def _topics(topics: list[TopicStatus]) -> Table:
    table = Table()
    table.add_column('topic', overflow='fold')
    for title in ('messages/s', 'bytes/s', *_COUNTS.values()):
        table.add_column(title, justify='right')
    for topic in sorted(topics, key=lambda topic: topic.topic):
        table.add_row(
            Text(topic.topic), f'{topic.messages_per_s:,.1f}',
            decimal(round(topic.bytes_per_s)),
            *(_count(name, getattr(topic, name)) for name in _COUNTS),
        )
    if len(topics) > 1:
        table.add_section()
        table.add_row(
            'all', f'{sum(topic.messages_per_s for topic in topics):,.1f}',
            decimal(round(sum(topic.bytes_per_s for topic in topics))),
            *(_count(name, sum(getattr(topic, name) for topic in topics)) for name in _COUNTS),
        )
    return table


def _count(name: str, number: int) -> Text:
    return Text(str(number), style=_BAD_STYLE if number and name in _BAD else '')


def _fields(message: Any, without: tuple[str, ...] = ()) -> list[str]:
    return [name for name in message.get_fields_and_field_types() if name not in without]


def _ns(time: Time) -> int:
    return int(time.sec * 1_000_000_000 + time.nanosec)
