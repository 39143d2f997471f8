"""A message of rclpy as what JSON can hold, in the form of web/message_json.py."""

from __future__ import annotations

import array
import base64
import math
from typing import Any

import numpy as np

MOST_ELEMENTS = 1_000
"""
A longer list of numbers is ``{"type": …, "length": …, "base64": …}``, one of others its length.

What is answered to a command is for people: nobody reads a map from it.
"""


def ros_json(value: Any) -> Any:
    """Return a message, or a value in one, as JSON has it; NaN and infinities are texts."""
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return 'NaN' if math.isnan(value) else f'{"-" * (value < 0)}Infinity'
    if isinstance(value, bytes):
        return value[0] if len(value) == 1 else list(value)
    if isinstance(value, (array.array, np.ndarray)):
        return _numbers(np.asarray(value))
    if isinstance(value, (list, tuple)):
        if len(value) > MOST_ELEMENTS:
            return {'length': len(value)}
        return [ros_json(each) for each in value]
    return {
        name: ros_json(getattr(value, name)) for name in value.get_fields_and_field_types()
    }


def _numbers(values: np.ndarray[Any, Any]) -> Any:
    if len(values) <= MOST_ELEMENTS:
        return [ros_json(each) for each in values.tolist()]
    ordered = values.astype(values.dtype.newbyteorder('<'), copy=False)
    return {
        'type': values.dtype.name, 'length': len(values),
        'base64': base64.b64encode(ordered.tobytes()).decode(),
    }
