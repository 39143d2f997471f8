"""What the address of a replay asks for: ``/replay?robot=…&from=…&rate=2&session=…``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
import re
from typing import Any

from twinsight_bridge.playback.errors import QueryError
from twinsight_bridge.playback.order import LEAST_RATE, MOST_RATE
from twinsight_store.errors import ConfigurationError
from twinsight_store.selection import Selection
from twinsight_store.selection_arguments import check_not_empty, labels_from
from twinsight_store.times import parse_time

_SEVERAL = {
    'robot': 'robots', 'mission': 'missions', 'sensor': 'sensors', 'topic': 'topics',
}
_SELECTION = (*_SEVERAL, 'from', 'to', 'label')
_FIELDS = (*_SELECTION, 'rate', 'paused', 'session')
_YES, _NO = ('1', 'true', 'yes', ''), ('0', 'false', 'no')
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]{0,63}', re.ASCII)
_OPTION = re.compile(r'--([a-z]+):? ?')
_ZONE = re.compile(r'(:\d{2}(?:\.\d+)?) (\d{2}:?\d{2})$', re.ASCII)

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class SessionQuery:
    """
    What is asked for.

    session    name of the session, empty where it is to be one of its own
    selection  what is played
    given      the selection as it was given, to compare it: relative times mean others later
    """

    session: str
    selection: Selection
    rate: float
    paused: bool
    given: Mapping[str, tuple[str, ...]]

    @classmethod
    def parsed(cls, query: Query) -> SessionQuery:
        """Return what a query asks for; raise QueryError, which names the field."""
        for name in query:
            if name not in _FIELDS:
                raise QueryError(name, f'unknown; accepted are {", ".join(_FIELDS)}')
        session = _one(query, 'session', '')
        if 'session' in query and not _NAME.fullmatch(session):
            raise QueryError('session', (
                f'{session!r}: accepted are letters, digits, "_", "-" and ".", up to 64, '
                'a letter or digit first'
            ))
        return cls(
            session, _selection(query), _rate(_one(query, 'rate', '1')), _paused(query),
            {name: tuple(query[name]) for name in _SELECTION if name in query},
        )


def rate_from(text: str) -> float:
    """Return the speed that a text means; raise QueryError for others."""
    return _rate(text)


def time_from(field: str, text: str) -> int:
    """
    Return the time of a field in Unix ns; raise QueryError for others.

    A "+" in a query means a space, so that one is taken for the "+" of a zone.
    """
    with _named(field):
        return parse_time(_ZONE.sub(r'\1+\2', text))


def _selection(query: Query) -> Selection:
    chosen: dict[str, Any] = {}
    for name, field in _SEVERAL.items():
        with _named(name):
            check_not_empty(name, query.get(name, ()))
            chosen[field] = tuple(query.get(name, ()))
            Selection(**{field: chosen[field]})
    with _named('label'):
        chosen['labels'] = labels_from(query.get('label', ()))
        Selection(labels=chosen['labels'])
    for name in ('from', 'to'):
        if name in query:
            chosen[f'{name}_ns'] = time_from(name, _one(query, name, ''))
    with _named('to'):
        return Selection(**chosen)


def _one(query: Query, name: str, otherwise: str) -> str:
    values = query.get(name, ())
    if len(values) > 1:
        raise QueryError(name, f'{", ".join(values)}: accepted is one')
    return values[0] if values else otherwise


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not LEAST_RATE <= rate <= MOST_RATE:
        accepted = f'accepted is a number from {LEAST_RATE:g} to {MOST_RATE:g}'
        raise QueryError('rate', f'{text!r}: {accepted}')
    return rate


def _paused(query: Query) -> bool:
    if 'paused' not in query:
        return False
    text = _one(query, 'paused', '')
    if text.lower() not in (*_YES, *_NO):
        raise QueryError('paused', f'{text!r}: accepted are true and false')
    return text.lower() in _YES


@contextmanager
def _named(field: str) -> Iterator[None]:
    """Have what is wrong said of a field, and not of a command's option."""
    try:
        yield
    except QueryError:
        raise
    except ConfigurationError as error:
        raise QueryError(field, _OPTION.sub('', str(error))) from error
