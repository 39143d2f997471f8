"""Alert rules as a ROS parameter file holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, create_model, Field, model_validator
import yaml

from twinsight_recorder.alerting.condition import Above, Below, Condition, Equality, Missing, Rate
from twinsight_recorder.alerting.rule import AlertRule, check_message
from twinsight_store.errors import ConfigurationError
from twinsight_store.metrics.glob import is_glob
from twinsight_store.metrics.metric import normalised
from twinsight_store.parameters import (
    check_parameter_files,
    Seconds,
    Settings,
    Text,
    validated,
)

_CONDITIONS = (
    'above', 'below', 'equals', 'not_equals', 'missing_for', 'rising_faster_than',
    'falling_faster_than',
)
_RATES = ('rising_faster_than', 'falling_faster_than')
_BELONGS_TO = {
    'clear': ('above', 'below'), 'expected': ('missing_for',), 'window': _RATES,
}

_NUMBER = 'a number'
_STATE = 'a text or a number: ERROR, 3'
_RATE = 'units a second, from 0; with window'
_DURATION = 'seconds, or text with a unit: 500ms, 1s, 2min'
_RULES = (
    f'names of letters, digits, "_" and "-", each with metric, one of {", ".join(_CONDITIONS)}, '
    'and perhaps severity, message, for, clear, expected, window'
)
_NAME = re.compile(r'[A-Za-z0-9_-]+')

_Number = Annotated[float, Field(allow_inf_nan=False)]


def _is_state(value: object) -> object:
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise ValueError('neither a text nor a number')
    return value


_State = Annotated[Any, AfterValidator(_is_state)]

# "for" is a word of Python: no class can have it as a field that is written in its body
_FOR: dict[str, Any] = {
    'for': (Seconds, Field(0.0, ge=0, allow_inf_nan=False, description=_DURATION))
}
_Holding = create_model('_Holding', __base__=Settings, **_FOR)


class AlertRuleSettings(_Holding):
    """
    When an alert is raised and cleared, and what it says.

    Beside what is named here it has ``for``: how long the condition must hold, in seconds.
    """

    metric: Text = Field(
        min_length=1, description='the name of a metric; * stands for any text in it'
    )
    severity: Literal['info', 'warn', 'error'] = Field(
        'warn', description='info, warn or error'
    )
    message: Annotated[Text, AfterValidator(check_message)] = Field(
        '', description='a text that may hold {robot}, {metric}, {value}, {rule}, {for}'
    )
    above: _Number | None = Field(None, description=_NUMBER)
    below: _Number | None = Field(None, description=_NUMBER)
    clear: _Number | None = Field(
        None, description='a number: an alert of above ends at or below it, one of below at or '
        'above it'
    )
    equals: _State = Field(None, description=_STATE)
    not_equals: _State = Field(None, description=_STATE)
    missing_for: Seconds | None = Field(
        None, gt=0, allow_inf_nan=False, description=f'more than 0: {_DURATION}'
    )
    expected: bool = Field(
        False, description='true: missing_for counts from the start too; for a name without *'
    )
    rising_faster_than: _Number | None = Field(None, ge=0, description=_RATE)
    falling_faster_than: _Number | None = Field(None, ge=0, description=_RATE)
    window: Seconds | None = Field(
        None, gt=0, allow_inf_nan=False,
        description=f'what the rate is taken over, more than 0: {_DURATION}',
    )

    @model_validator(mode='after')
    def _is_one_condition(self) -> AlertRuleSettings:
        given = [name for name in _CONDITIONS if getattr(self, name) is not None]
        if not given:
            raise ValueError('it has no condition')
        if len(given) > 1:
            raise ValueError(f'{" and ".join(given)}: a rule has one condition')
        for name, conditions in _BELONGS_TO.items():
            if getattr(self, name) not in (None, False) and given[0] not in conditions:
                raise ValueError(f'{name} goes with {" or ".join(conditions)} only')
        if given[0] in _RATES and self.window is None:
            raise ValueError(f'{given[0]} needs window')
        if self.expected and is_glob(self.metric):
            raise ValueError('expected needs the name of one metric, without *')
        if self.clear is not None and (
            (self.above is not None and self.clear > self.above)
            or (self.below is not None and self.clear < self.below)
        ):
            side = 'above' if self.above is not None else 'below'
            raise ValueError(f'clear {self.clear:g} lies on the wrong side: {side} would not hold')
        return self

    def rule(self, name: str) -> AlertRule:
        """Return the rule under a name."""
        condition = self._condition()
        for_ns = _ns(getattr(self, 'for'))
        usual = condition.describe()
        if for_ns and not isinstance(condition, Missing):
            usual += ' for {for}'
        return AlertRule(
            name, self.metric, self.severity, self.message or usual, condition, for_ns
        )

    def _condition(self) -> Condition:
        if self.above is not None:
            return Above(self.above, self.above if self.clear is None else self.clear)
        if self.below is not None:
            return Below(self.below, self.below if self.clear is None else self.clear)
        if self.missing_for is not None:
            return Missing(_ns(self.missing_for), self.expected)
        if self.equals is not None:
            return Equality(normalised(self.equals))
        if self.not_equals is not None:
            return Equality(normalised(self.not_equals), differs=True)
        falls = self.rising_faster_than is None
        limit = self.falling_faster_than if falls else self.rising_faster_than
        return Rate(limit or 0.0, _ns(self.window or 0.0), falls)


def _are_names(alerts: dict[str, AlertRuleSettings]) -> dict[str, AlertRuleSettings]:
    for name in alerts:
        if not _NAME.fullmatch(name):
            raise ValueError(f'{name!r} is not the name of a rule')
    return alerts


AlertSettings = Annotated[
    dict[str, AlertRuleSettings], AfterValidator(_are_names), Field(description=_RULES)
]
"""The rules by name, for a field of a node's settings: ``alerts: AlertSettings = {}``."""


def alert_rules(alerts: Mapping[str, AlertRuleSettings]) -> tuple[AlertRule, ...]:
    """Return the rules that were configured, in their order."""
    return tuple(settings.rule(name) for name, settings in alerts.items())


class _RulesFile(Settings):
    alerts: AlertSettings


def read_rules(file: str) -> tuple[AlertRule, ...]:
    """
    Return the rules of a ROS parameter file, whatever else it holds and for whichever node.

    Raises ConfigurationError: one line a mistake.
    """
    arguments = ['--params-file', file]
    check_parameter_files(arguments)
    nodes = yaml.safe_load(Path(file).read_text())
    parameters = {
        name: value
        for node in nodes.values()
        for name, value in _dotted(node['ros__parameters'] or {})
        if name.split('.')[0] == 'alerts'
    }
    if not parameters:
        raise ConfigurationError(
            f'{file}: it has no rule; accepted is a ROS parameter file with alerts: {_RULES}'
        )
    return alert_rules(validated(_RulesFile, parameters, arguments).alerts)


def _dotted(tree: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from ((f'{name}.{below}', leaf) for below, leaf in _dotted(value))
        else:
            yield str(name), value


def _ns(seconds: float) -> int:
    """Return a duration in whole microseconds, as the times of samples are, but in ns."""
    return max(1, round(seconds * 1e6)) * 1000 if seconds else 0
