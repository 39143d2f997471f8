"""A label whose value is what a topic's field says at the moment."""

from __future__ import annotations

import math
from typing import Any

from twinsight_store.field_path import FieldPath
from twinsight_store.field_steps import text_of, Value


class DynamicLabel:
    """
    Keeps the latest value of a field as a label's text.

    ``text`` is None while there is no label: no message yet, an element that is not there, an
    empty text, or NaN, which says that nothing was measured. Where the element is looked up
    by its key, a message without it changes nothing: see FieldPath.has_key.
    """

    def __init__(self, name: str, topic: str, field: FieldPath) -> None:
        self.name = name
        self.topic = topic
        self.field = field
        self.text: str | None = None

    def see(self, message: Any) -> bool:
        """Take the value from a message of the topic; return whether the label changed."""
        value = self.field.value(message)
        if value is None and self.field.has_key:
            return False
        before, self.text = self.text, label_text(value)
        return self.text != before


def label_text(value: Value | None) -> str | None:
    """
    Return a value as a label's text, None where there is none.

    Numbers with a fraction have six significant digits at most: 0.2 of 32 bits is ``0.2``.
    """
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return repr(float(f'{value:.6g}') + 0.0)  # adding 0 makes 0.0 of -0.0
    return (text_of(value) or None) if value is not None else None
