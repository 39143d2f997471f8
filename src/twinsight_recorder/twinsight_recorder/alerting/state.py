"""
Where alerts stand, on disk: a node that starts again neither raises again nor forgets to clear.

The file is replaced as a whole, so that it is never half written.
"""

from __future__ import annotations

from collections import deque
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from twinsight_recorder.alerting.change import AlertChange
from twinsight_recorder.alerting.condition import duration_text
from twinsight_recorder.alerting.engine import AlertEngine, AlertState
from twinsight_recorder.alerting.rule import AlertRule
from twinsight_store.errors import SpoolError

FILE = 'alerts.json'
_VERSION = 1
_CLOCK_STEP_NS = 60_000_000_000


class Restored(NamedTuple):
    """
    What a saved state led to.

    changes  alerts that end here, as their rule is gone or another one
    note     what people should know, in one line; '' for nothing
    """

    changes: list[AlertChange]
    note: str = ''


def save_state(engine: AlertEngine, folder: Path) -> None:
    """Write the state of an engine into a folder; raises SpoolError where that cannot be."""
    rules = {rule.name: [repr(rule), rule.severity] for rule in engine.rules}
    found = {
        'version': _VERSION,
        'now_ns': engine.now_ns,
        'missions': engine.missions(),
        'rules': rules,
        'states': [_to_json(state) for state in engine.states()],
    }
    path = folder / FILE
    beside = folder / f'{FILE}.new'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with beside.open('w', encoding='utf-8') as stream:
            json.dump(found, stream, separators=(',', ':'))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        raise SpoolError(
            f'{path}: the state of the alerts cannot be saved ({error.strerror}): '
            'check the folder, its permissions and the disk'
        ) from error


def restore_state(engine: AlertEngine, folder: Path, now_ns: int) -> Restored:
    """
    Give an engine that has seen nothing yet the state that a folder holds.

    now_ns  Unix ns; a state that is from later than a minute after it is of a wrong clock

    Where there is none, or none that can be used, the engine starts afresh.
    """
    path = folder / FILE
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
        if found['version'] != _VERSION:
            raise ValueError(f'version {found["version"]}, known is {_VERSION}')
        then_ns = int(found['now_ns'])
        missions = {
            robot: (int(time_ns), str(mission))
            for robot, (time_ns, mission) in found['missions'].items()
        }
        known = {rule.name: rule for rule in engine.rules}
        same = {
            name: known[name]
            for name, (text, _) in found['rules'].items()
            if name in known and repr(known[name]) == text
        }
        states = [_from_json(fields, same) for fields in found['states'] if fields[0] in same]
        others = [fields for fields in found['states'] if fields[0] not in same]
        ended = [
            _ended(fields, found['rules'][fields[0]][1], missions, now_ns)
            for fields in others
            if fields[5] is not None
        ]
    except FileNotFoundError:
        return Restored([])
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return Restored([], f'{path}: no state of alerts ({error!r}): they start afresh'[:300])
    if then_ns > now_ns + _CLOCK_STEP_NS:
        ahead = duration_text(then_ns - now_ns)
        return Restored([], f'{path}: it is from {ahead} after now: the alerts start afresh')
    engine.adopt(then_ns, missions, states)
    gone = sorted({fields[0] for fields in others})
    if not gone:
        return Restored([])
    return Restored(
        ended,
        f'{path}: rules changed since it was saved ({", ".join(gone)}): they start afresh, '
        f'{len(ended)} of their alerts are cleared',
    )


def _to_json(state: AlertState) -> list[Any]:
    return [
        state.rule.name, state.robot_id, state.metric, state.last_ns, state.due_ns,
        state.raised_ns, state.changed_ns, state.message, state.value, state.text,
        list(state.window),
    ]


def _from_json(fields: list[Any], rules: dict[str, AlertRule]) -> AlertState:
    rule, robot_id, metric, last_ns, due_ns, raised_ns, changed_ns, *sample = fields
    message, value, text, window = sample
    return AlertState(
        rules[rule], str(robot_id), str(metric), int(last_ns),
        None if due_ns is None else int(due_ns),
        None if raised_ns is None else int(raised_ns),
        int(changed_ns), str(message),
        None if value is None else float(value),
        None if text is None else str(text),
        deque((int(time_ns), float(number)) for time_ns, number in window),
    )


def _ended(
    fields: list[Any], severity: str, missions: dict[str, tuple[int, str]], now_ns: int
) -> AlertChange:
    rule, robot_id, metric, _, _, raised_ns, _, message, value, text, _ = fields
    time_ns = now_ns - now_ns % 1000
    lasted = duration_text(time_ns - raised_ns)
    return AlertChange(
        rule, robot_id, missions[robot_id][1], metric, severity, False, time_ns, raised_ns,
        f'cleared after {lasted}, as its rule changed: {message}', value, text,
    )
