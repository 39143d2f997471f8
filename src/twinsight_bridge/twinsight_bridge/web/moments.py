"""Times as the answers have them: exact to the nanosecond, also where a browser reads them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from pydantic import PlainSerializer, WithJsonSchema

_SECOND_NS = 1_000_000_000
_EXAMPLE_NS = 1_795_442_400_123_456_789


def iso_time(time_ns: int) -> str:
    """Return Unix ns as ISO 8601 in UTC with nine decimals; a query takes it back unchanged."""
    seconds, nanoseconds = divmod(time_ns, _SECOND_NS)
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return f'{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z'


def unix_seconds(time_ns: int) -> str:
    """Return Unix ns as seconds with nine decimals, as a query takes them."""
    return f'{time_ns // _SECOND_NS}.{time_ns % _SECOND_NS:09d}'


Moment = Annotated[
    int,
    PlainSerializer(iso_time, return_type=str),
    WithJsonSchema(
        {
            'type': 'string', 'format': 'date-time', 'examples': [iso_time(_EXAMPLE_NS)],
            'description': 'ISO 8601 in UTC, with nanoseconds.',
        },
        mode='serialization',
    ),
]
"""A time, Unix ns."""

Nanoseconds = Annotated[
    int,
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            'type': 'string', 'pattern': '^-?[0-9]+$', 'examples': [str(_EXAMPLE_NS)],
            'description': "Unix nanoseconds; a text, as JavaScript's numbers are too small.",
        },
        mode='serialization',
    ),
]
"""A time that names something, Unix ns."""
