"""The rules of the metrics, as a ROS parameter file holds them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from twinsight_recorder import setting_types as types
from twinsight_recorder.metrics.functions import FUNCTIONS, Source
from twinsight_store.errors import ConfigurationError
from twinsight_store.field_steps import MalformedError
from twinsight_store.metrics.columns import check_metric_name
from twinsight_store.parameters import Settings, Text

_PATTERNS = 'a list of topic names or regular expressions that match whole names'
_TYPE = 'a message type, for example nav_msgs/msg/Odometry'
_FIELD = (
    'a path to a number or text (twist.twist.linear.x), or a function of a message '
    f'({", ".join(FUNCTIONS)}): yaw(pose.pose.orientation)'
)
_RATE = 'samples a second, a number above 0'
_ON_CHANGE = 'true, false, or the least difference from the last sample that is worth a new one'
_NAME = 'a text of printable characters that the names of the metrics begin with'
_METRICS = 'names, each with field and where needed unit, scale, offset, max_rate, on_change'
_KINDS = 'fields, diagnostics, action_status or tf'
_KEYS: dict[str, set[str]] = {
    'fields': {'type', 'metrics', 'max_rate', 'on_change', 'time', 'nan', 'largest_step'},
    'diagnostics': {'max_rate', 'on_change', 'time'},
    'action_status': set(),
    'tf': {'parent', 'child', 'rate', 'time'},
}
"""What a kind has besides kind, topics, name and with_ready_made."""

_MESSAGE_TYPE = re.compile(r'[a-z]\w*/msg/[A-Z]\w*', re.ASCII)


def _is_source(text: str) -> str:
    try:
        Source.parse(text)
    except MalformedError as error:
        raise ValueError(error.reason) from error
    return text


def _is_type(text: str) -> str:
    if text and not _MESSAGE_TYPE.fullmatch(text):
        raise ValueError('not the name of a message type')
    return text


def _is_metric_name(text: str) -> str:
    if text:
        try:
            check_metric_name(text)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
    return text


def _are_metric_names(metrics: dict[str, MetricSettings]) -> dict[str, MetricSettings]:
    for name in metrics:
        _is_metric_name(name)
    return metrics


def _least_difference(value: object) -> object:
    return {True: 0.0, False: None}[value] if isinstance(value, bool) else value


OnChange = Annotated[float | None, BeforeValidator(_least_difference)]
"""The least difference that counts as a change; 0 for any, None for not on change only."""


class MetricSettings(Settings):
    """One metric; what is stored is value * scale + offset."""

    field: Annotated[str, AfterValidator(_is_source)] = Field(description=_FIELD)
    unit: Text = Field('', description='a text, for example m/s')
    scale: float = Field(1.0, allow_inf_nan=False, description='a number')
    offset: float = Field(0.0, allow_inf_nan=False, description='a number')
    max_rate: float | None = Field(None, gt=0, description=_RATE)
    on_change: OnChange = Field(None, ge=0, description=_ON_CHANGE)


class MetricRuleSettings(Settings):
    """
    Which metrics are made of the messages of some topics.

    A topic is meant when its name matches and its type is the one, whichever of both is given.
    max_rate and on_change hold for the metrics that have none of their own.
    """

    kind: Literal['fields', 'diagnostics', 'action_status', 'tf'] = Field(
        'fields', description=_KINDS
    )
    topics: Annotated[tuple[types.Pattern, ...], BeforeValidator(
        lambda v: v if isinstance(v, (list, tuple)) else (v,)
    )] = Field((), description=_PATTERNS)
    type: Annotated[Text, AfterValidator(_is_type)] = Field('', description=_TYPE)
    name: Annotated[Text, AfterValidator(_is_metric_name)] = Field('', description=_NAME)
    metrics: Annotated[dict[str, MetricSettings], AfterValidator(_are_metric_names)] = Field(
        {}, description=_METRICS
    )
    max_rate: float | None = Field(None, gt=0, description=_RATE)
    on_change: OnChange = Field(None, ge=0, description=_ON_CHANGE)
    time: Literal['receive', 'stamp'] = Field(
        'receive', description='receive, or stamp for header.stamp'
    )
    nan: Literal['store', 'skip'] = Field(
        'store', description='store, or skip where NaN stands for not measured'
    )
    with_ready_made: bool = Field(
        False, description='true: the ready-made metrics of the topic too; or false'
    )
    largest_step: float = Field(
        1.0, gt=0, description='of distance(...): more metres between two messages are a jump'
    )
    parent: Text = Field('map', min_length=1, description='of kind tf: the name of a frame')
    child: Text = Field('base_link', min_length=1, description='of kind tf: the name of a frame')
    rate: float = Field(10.0, gt=0, description=f'of kind tf: {_RATE}')

    @model_validator(mode='after')
    def _is_complete(self) -> MetricRuleSettings:
        others = set().union(*_KEYS.values()) - _KEYS[self.kind]
        for key in sorted(self.model_fields_set & others):
            raise ValueError(f'{key} is not for kind {self.kind}')
        if self.kind == 'fields' and not self.metrics:
            raise ValueError('no metrics are named')
        if self.kind == 'fields' and not self.topics and not self.type:
            raise ValueError('neither topics nor type is given')
        if self.kind == 'tf' and self.parent == self.child:
            raise ValueError('parent and child are the same frame')
        return self

    def max_rate_of(self, metric: MetricSettings) -> float | None:
        """Return the samples a second of a metric at most."""
        return metric.max_rate if 'max_rate' in metric.model_fields_set else self.max_rate

    def on_change_of(self, metric: MetricSettings) -> float | None:
        """Return the least difference of a metric that is stored, None: every value is."""
        return metric.on_change if 'on_change' in metric.model_fields_set else self.on_change
