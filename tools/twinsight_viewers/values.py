"""Values that JSON has no form for, as tools/viewers/values.js writes them."""

from __future__ import annotations

from base64 import b64decode, b64encode
import math
from typing import Any

_EXACT = 2**53


def revived(item: dict[str, Any]) -> Any:
    """Return the value that one JSON object stands for; an ``object_hook``."""
    if len(item) == 1:
        ((key, value),) = item.items()
        if key == '$int':
            return int(value)
        if key == '$float':
            return float(value)
        if key == '$bytes':
            return b64decode(value)
    return item


def plain(value: Any) -> Any:
    """Return a value in JSON's terms."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {'$bytes': b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return {'$float': 'NaN' if math.isnan(value) else f'{"-" if value < 0 else ""}Infinity'}
    if isinstance(value, int) and abs(value) > _EXACT:
        return {'$int': str(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
