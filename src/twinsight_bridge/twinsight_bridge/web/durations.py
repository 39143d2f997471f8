"""Durations as query parameters."""

from __future__ import annotations

import re

from pydantic import TypeAdapter, ValidationError

from twinsight_store.errors import ConfigurationError
from twinsight_store.parameters import Seconds

ACCEPTED = 'seconds, or a number with ms, s, min, h or d (500ms, 1min)'

_SECONDS: TypeAdapter[float] = TypeAdapter(Seconds)
_MINUTES = re.compile(r'(?<=\d)m$')


def duration_ns(name: str, text: str) -> int:
    """Return a parameter's duration, more than 0; raise ConfigurationError for others."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = _SECONDS.validate_python(_MINUTES.sub('min', text))
        except ValidationError:
            seconds = 0
    if not 0 < seconds < 1e9 or round(seconds * 1e9) < 1:
        raise ConfigurationError(f'{name} {text!r}: accepted are {ACCEPTED}, more than 0')
    return round(seconds * 1e9)
