"""What a selection's file is called: by people, and by the server that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
import re
from urllib.parse import urlencode

from twinsight_store.selection import Selection
from twinsight_store.times import format_span

_UNSAFE = re.compile(r'[^A-Za-z0-9_-]+')
_MOST = 100


def kept_name(given: Sequence[tuple[str, str]], selection: Selection) -> str:
    """
    Return the name under which a file is kept.

    It is one for one selection, however its query is written. Where its times count from now it
    is that of the query: to who opened ``from=-15m`` it is one file, though now goes on.
    """
    times = {'from': selection.from_ns, 'to': selection.to_ns}
    named = [
        (name, str(times[name]) if name in times and not value.startswith('-') else value)
        for name, value in given
    ]
    return urlencode(sorted(named))


def download_name(selection: Selection) -> str:
    """Return the name of the file on the disk of who downloads it."""
    parts = [*selection.robots, *selection.missions, *selection.sensors, *selection.topics]
    words = [_UNSAFE.sub('_', part).strip('_') for part in parts]
    return ('-'.join(filter(None, words))[:_MOST] or 'recording') + '.mcap'


def title(selection: Selection, start_ns: int, end_ns: int) -> str:
    """Return the name of the file in the title bar of a viewer."""
    parts = [*selection.robots, *selection.missions, *selection.sensors, *selection.topics]
    parts += [f'{name}={value}' for name, value in selection.labels.items()]
    return f'{", ".join(parts) or "all robots"}: {format_span(start_ns, end_ns)}'
