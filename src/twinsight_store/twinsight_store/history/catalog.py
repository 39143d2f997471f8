"""What there is in the history: robots, their missions and metrics, for who found nothing."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from twinsight_store.errors import NothingMatchedError
from twinsight_store.history.postgres import connect, Connection, postgres_errors, PostgresSettings
from twinsight_store.history.times import UNIX_NS
from twinsight_store.selection import Selection
from twinsight_store.times import format_span

_MOST = 10

_ROBOTS = f"""
    SELECT robot_id, count(*),
           (array_agg(mission_id ORDER BY started DESC))[:{_MOST}],
           {UNIX_NS.format('min(started)')}, {UNIX_NS.format('max(last_seen)')}
    FROM mission GROUP BY robot_id ORDER BY robot_id
"""
_NAMES = """
    SELECT DISTINCT name FROM metric_info
    WHERE %(robots)s::text[] IS NULL OR robot_id = ANY(%(robots)s) ORDER BY name
"""
_KINDS = 'SELECT kind, severity, count(*) FROM event GROUP BY kind, severity ORDER BY 1, 2'


def nothing_matched(
    settings: PostgresSettings, selection: Selection, *, names: Sequence[str] = (),
    asked: str = '', events: bool = False,
) -> NothingMatchedError:
    """
    Return the error for a selection that matched nothing; its text says what there is.

    names   metrics that were asked for
    asked   whatever else was asked for
    events  whether events were; the kinds that there are are named then
    """
    with connect(settings) as connection, postgres_errors(settings):
        there = _describe(connection, selection, names, events)
    wanted = ', '.join(
        part for part in (selection.describe(), ', '.join(names), asked) if part
    )
    return NothingMatchedError(f'nothing matches {wanted}; there is {there}')


def _describe(
    connection: Connection, selection: Selection, names: Sequence[str], events: bool
) -> str:
    robots = {
        row[0]: row for row in connection.execute(_ROBOTS).fetchall()
    }
    if not robots:
        return 'no mission: nothing was recorded yet'
    asked = [robot for robot in robots if selection.robots and selection.has_robot(robot)]
    parts = [_robot(*robots[robot]) for robot in asked or list(robots)[:_MOST]]
    if not asked and len(robots) > _MOST:
        parts.append(f'and {len(robots) - _MOST} more robots')
    if names:
        known = [
            name for name, in connection.execute(_NAMES, {'robots': asked or None}).fetchall()
        ]
        parts.append(_metrics(names, known))
    if events:
        found = connection.execute(_KINDS).fetchall()
        listed = ', '.join(f'{kind} ({severity}, {count})' for kind, severity, count in found)
        parts.append(f'events {listed or "none"}')
    return '; '.join(parts)


def _robot(robot: str, count: int, latest: list[str], from_ns: int, to_ns: int) -> str:
    missions = ', '.join(reversed(latest))
    if count > len(latest):
        missions = f'{count - len(latest)} and the last {missions}'
    return f'{robot} (missions {missions}; {format_span(from_ns, to_ns)})'


def _metrics(names: Sequence[str], known: list[str]) -> str:
    """Return the metrics whose names are near; where none is, the first."""
    near = {found for name in names for found in get_close_matches(name, known, _MOST, 0.6)}
    shown = [name for name in known if name in near] or known[:_MOST]
    if not shown:
        return 'no described metric'
    more = len(known) - len(shown)
    return f'metrics {", ".join(shown)}' + (f' and {more} more' if more else '')
