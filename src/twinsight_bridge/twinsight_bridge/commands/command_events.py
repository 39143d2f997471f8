"""What the event table is told of a command."""

from __future__ import annotations

from collections.abc import Mapping
import json
import time
from typing import Any

from twinsight_bridge.commands.command import Asker, Command, State
from twinsight_store.metrics.fact import Event

KIND = 'command'
_LONGEST = 4_000
"""Characters of JSON; a body or a result that is longer is left out of an event."""

_SEVERITIES = {State.SUCCEEDED: 'info', State.CANCELLED: 'info'}
_WORDS = {State.TIMED_OUT: 'timed out'}


def asked_event(command: Command) -> Event:
    """Return the event that a command was asked for."""
    return Event(
        command.robot_id, command.mission_id, command.asked_ns, KIND, 'info',
        f'{command.name} asked by {command.by}', _told(command, State.ACCEPTED),
    )


def ended_event(command: Command) -> Event:
    """Return the event that a command has ended."""
    assert command.ended_ns is not None
    state, by = command.state, command.cancelled_by
    why = f': {command.message}' if command.message else ''
    if state is State.CANCELLED and by:
        why = f' by {by}'
    told: dict[str, Any] = _told(command, state) | {
        'seconds': round((command.ended_ns - command.asked_ns) / 1e9, 3),
        'message': command.message, 'result': _short(command.result),
    }
    if by:
        told['cancelled_by'] = by._asdict()
    return Event(
        command.robot_id, command.mission_id, command.ended_ns, KIND,
        _SEVERITIES.get(state, 'warn'), f'{command.name} {_WORDS.get(state, state.value)}{why}',
        told,
    )


def refused_event(
    robot_id: str, mission_id: str, name: str, body: Mapping[str, Any], by: Asker, why: str
) -> Event:
    """Return the event that a command was not even tried."""
    return Event(
        robot_id, mission_id, time.time_ns(), KIND, 'warn',
        f'{name} asked by {by} and refused: {why}',
        {
            'command': None, 'name': name, 'state': State.REFUSED.value, 'by': by._asdict(),
            'body': _short(body), 'message': why,
        },
    )


def _told(command: Command, state: State) -> dict[str, Any]:
    return {
        'command': command.id, 'name': command.name, 'state': state.value,
        'by': command.by._asdict(), 'to': command.target._asdict(),
        'body': _short(command.body),
    }


def _short(value: Any) -> Any:
    """Return what fits an event: PostgreSQL holds no NaN, NUL and half characters in JSON."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except ValueError as error:
        return {'left_out': str(error)}
    if len(text) > _LONGEST or '\\u0000' in text:
        return {'left_out': f'{len(text)} characters'}
    return value
