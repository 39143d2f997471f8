"""The selection as conditions in SQL: metrics, their aggregates, missions and events."""

from __future__ import annotations

from collections.abc import Sequence
import re

from psycopg.sql import Composable, Identifier, Literal, SQL
from psycopg.types.json import Jsonb

from twinsight_store.errors import ConfigurationError
from twinsight_store.history.times import moment
from twinsight_store.metrics.glob import glob_expression, is_glob
from twinsight_store.selection import check_text, Selection


def metric_condition(
    selection: Selection, names: Sequence[str], time: str = 'time'
) -> Composable:
    """
    Return what holds for the selected rows of ``metric`` or, by bucket, of an aggregate.

    Topics select the metrics that come from them (as metric_info has it), labels the missions
    that have them. ``names`` are names or globs (see metrics/glob.py); none select all.
    Raises ConfigurationError where a sensor is selected: metrics have none.
    """
    _check_no(selection.sensors, 'sensor', 'metrics have no sensors: select by --topic or name')
    return _all(
        *_owner(selection), *_labelled(selection), *_span(selection, time), *_named(names),
        *_from_topics(selection.topics),
    )


def event_condition(
    selection: Selection, kinds: Sequence[str], severities: Sequence[str]
) -> Composable:
    """Return what holds for the selected rows of ``event``; no kinds select all of them."""
    _check_no(selection.sensors, 'sensor', 'events have none: leave it out')
    _check_no(selection.topics, 'topic', 'events have none: leave it out')
    for text in (*kinds, *severities):
        check_text("an event's kind or severity", text)
    return _all(
        *_owner(selection), *_labelled(selection), *_span(selection, 'time'),
        *_one_of('kind', kinds), *_one_of('severity', severities),
    )


def mission_condition(selection: Selection) -> Composable:
    """Return what holds for the selected rows of ``mission``: those that reach into the span."""
    _check_no(selection.sensors, 'sensor', 'missions are not selected by it: leave it out')
    _check_no(selection.topics, 'topic', 'missions are not selected by it: leave it out')
    span = []
    if selection.from_ns is not None:
        span.append(SQL('greatest(ended, last_seen) >= {}').format(_time(selection.from_ns)))
    if selection.to_ns is not None:
        span.append(SQL('started < {}').format(_time(selection.to_ns)))
    return _all(*_owner(selection), *_has_labels(selection), *span)


def glob_to_regex(pattern: str) -> str:
    """
    Return the regular expression of PostgreSQL that matches what a topic's glob does.

    It is fnmatch's: ``*`` stands for any characters, ``?`` for one, ``[ab]`` for one of these,
    ``[!ab]`` for one other.
    """
    parts = []
    for match in re.finditer(r'\*+|\?|\[(!?)(\]?[^\]]*)\]|.', pattern, re.DOTALL):
        found = match[0]
        if found[0] == '*':
            parts.append('.*')
        elif found == '?':
            parts.append('.')
        elif match[2]:
            inside = re.sub(r'([\\\[\]^])', r'\\\1', match[2])
            parts.append(f'[{"^" if match[1] else ""}{inside}]')
        else:
            parts.append(re.sub(r'([.^$*+?()\[\]{}|\\])', r'\\\1', found))
    return f'^(?:{"".join(parts)})$'


def _check_no(values: Sequence[str], option: str, advice: str) -> None:
    if values:
        raise ConfigurationError(f'--{option} {values[0]}: {advice}')


def _all(*conditions: Composable) -> Composable:
    return SQL(' AND ').join(conditions) if conditions else SQL('true')


def _owner(selection: Selection) -> list[Composable]:
    return [
        *_one_of('robot_id', selection.robots), *_one_of('mission_id', selection.missions)
    ]


def _one_of(column: str, values: Sequence[str]) -> list[Composable]:
    if not values:
        return []
    return [SQL('{} = ANY({})').format(Identifier(column), Literal(list(values)))]


def _span(selection: Selection, column: str) -> list[Composable]:
    # A stored time is the floor of its nanoseconds, so both ends are floored too: spans that
    # follow each other hold each sample once.
    ends = (('>=', selection.from_ns), ('<', selection.to_ns))
    return [
        SQL('{} {} {}').format(Identifier(column), SQL(operator), _time(time_ns))
        for operator, time_ns in ends if time_ns is not None
    ]


def _time(time_ns: int) -> Literal:
    return Literal(moment(time_ns))


def _has_labels(selection: Selection) -> list[Composable]:
    if not selection.labels:
        return []
    return [SQL('labels @> {}').format(Literal(Jsonb(dict(selection.labels))))]


def _labelled(selection: Selection) -> list[Composable]:
    return [
        SQL(
            '(robot_id, mission_id) IN (SELECT robot_id, mission_id FROM mission WHERE {})'
        ).format(condition)
        for condition in _has_labels(selection)
    ]


def _named(names: Sequence[str]) -> list[Composable]:
    if '' in names:
        raise ConfigurationError('a metric name is empty: give a name or a glob such as odom.*')
    for name in names:
        check_text('a metric name', name)
    exact = [name for name in names if not is_glob(name)]
    globs = [name for name in names if is_glob(name)]
    if not names or '*' in globs:
        return []
    alternatives = _one_of('name', exact)
    alternatives += [
        SQL('name ~ {}').format(Literal(f'^(?:{glob_expression(glob).pattern})$'))
        for glob in globs
    ]
    return [SQL('({})').format(SQL(' OR ').join(alternatives))]


def _from_topics(topics: Sequence[str]) -> list[Composable]:
    if not topics:
        return []
    patterns = []
    for topic in topics:
        pattern = glob_to_regex(topic if topic.startswith(('/', '*')) else f'/{topic}')
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigurationError(f'--topic {topic}: {error.msg}') from error
        patterns.append(pattern)
    return [
        SQL(
            '(robot_id, name) IN (SELECT robot_id, name FROM metric_info WHERE topic ~ ANY({}))'
        ).format(Literal(patterns))
    ]
