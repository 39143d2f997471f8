"""What the recorder's parameters are made of: texts that are checked when they are read."""

from __future__ import annotations

from collections.abc import Callable
import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator

from twinsight_recorder.raw.field_rule import FieldRule
from twinsight_store import labels as label
from twinsight_store.errors import ConfigurationError
from twinsight_store.field_path import FieldPath
from twinsight_store.field_steps import MalformedError
from twinsight_store.parameters import Text
from twinsight_store.replication_rule import (
    check_condition_label,
    check_rule_name,
    check_topic_glob,
    check_url,
)

_TOPIC_NAME = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)

T = TypeVar('T')


def _is_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'not a regular expression ({error})') from error
    return text


def _are_labels(labels: dict[str, T]) -> dict[str, T]:
    for name in labels:
        _checked(label.check_label_name, name)
    return labels


def _is_topic(text: str) -> str:
    if not _TOPIC_NAME.fullmatch(text):
        raise ValueError('not the name of a topic')
    return text


def _is_field(text: str) -> str:
    try:
        FieldPath.parse(text)
    except MalformedError as error:
        raise ValueError(error.reason) from error
    return text


def _is_rule(text: str) -> str:
    try:
        FieldRule.parse('', text)
    except MalformedError as error:
        raise ValueError(error.reason) from error
    return text


def _is_url(text: str) -> str:
    if not text or '@' in text:  # a password: refused by ReplicationRule, which is silent on it
        return text
    return _checked(check_url, text)


def _are_names(named: dict[str, T]) -> dict[str, T]:
    for name in named:
        _checked(check_rule_name, name)
    return named


def _are_conditions(labels: dict[str, T]) -> dict[str, T]:
    for name in labels:
        _checked(check_condition_label, name)
    return labels


def _checked(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error


Texts = Annotated[
    tuple[Text, ...], BeforeValidator(lambda v: v if isinstance(v, (list, tuple)) else (v,))
]
"""One text, or a list of them."""

Pattern = Annotated[str, AfterValidator(_is_expression)]
"""A topic name, or a regular expression that matches whole names."""

Topic = Annotated[str, AfterValidator(_is_topic)]
TopicGlob = Annotated[str, AfterValidator(lambda text: _checked(check_topic_glob, text))]
"""A topic name in which * stands for any text."""

Field = Annotated[str, AfterValidator(_is_field)]
"""A path to a field of a message, as FieldPath takes it."""

Rule = Annotated[str, AfterValidator(_is_rule)]
"""A field and a condition, as FieldRule takes them."""

Url = Annotated[str, AfterValidator(_is_url)]
Labels = Annotated[dict[str, Text], AfterValidator(_are_labels)]
LabelNames = AfterValidator(_are_labels)
"""For a dict: its keys are names of labels."""

Conditions = Annotated[dict[str, Texts], AfterValidator(_are_conditions)]
"""Labels with the texts that they may have."""

RuleNames = AfterValidator(_are_names)
"""For a dict: its keys are names of replication rules."""
