"""An alert rule: which metrics it looks at, its condition, and what it says to people."""

from __future__ import annotations

from dataclasses import dataclass
import string

from twinsight_recorder.alerting.condition import Condition, duration_text, Missing

PLACEHOLDERS = ('robot', 'metric', 'value', 'rule', 'for')


@dataclass(frozen=True)
class AlertRule:
    """
    A rule; each metric of each robot that it looks at has a state of its own.

    metric    name, or a glob in which * stands for any text
    severity  info, warn or error
    message   with PLACEHOLDERS in braces
    for_ns    how long the condition must hold, without interruption, before it is raised
    """

    name: str
    metric: str
    severity: str
    message: str
    condition: Condition
    for_ns: int = 0

    @property
    def silence_ns(self) -> int | None:
        """Return how long after a sample it is raised where there is none; None for never."""
        if isinstance(self.condition, Missing):
            return self.condition.silence_ns + self.for_ns
        return None

    @property
    def is_expected(self) -> bool:
        """Return whether the metric's absence counts before its first sample too."""
        return isinstance(self.condition, Missing) and self.condition.expected

    def text(self, robot_id: str, metric: str, value: float | None, text: str | None) -> str:
        """Return the message for a metric of a robot; value and text are those of its sample."""
        return self.message.format_map({
            'robot': robot_id, 'metric': metric, 'rule': self.name,
            'value': value_text(value, text), 'for': duration_text(self.for_ns),
        })


def check_message(message: str) -> str:
    """Return a message; raises ValueError where its placeholders are not the known ones."""
    for _, name, style, conversion in string.Formatter().parse(message):
        if name is not None and (name not in PLACEHOLDERS or style or conversion):
            written = name + (f'!{conversion}' if conversion else '') + (f':{style}' * bool(style))
            known = ', '.join(f'{{{one}}}' for one in PLACEHOLDERS)
            raise ValueError(f'{{{written}}} is no placeholder ({known})')
    return message


def value_text(value: float | None, text: str | None) -> str:
    """Return a sample for people: its text, its number with six digits, or that there is none."""
    if text is not None:
        return text
    if value is None:
        return 'unknown'
    return f'{value:.0f}' if value.is_integer() and abs(value) < 1e15 else f'{value:.6g}'
