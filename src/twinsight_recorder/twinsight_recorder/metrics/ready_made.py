"""The rules that hold where the user has none: those of ready_made_metrics.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated

from pydantic import BeforeValidator, TypeAdapter
import yaml

from twinsight_recorder.metrics.rule_settings import MetricRuleSettings


def _load() -> Mapping[str, MetricRuleSettings]:
    text = files(__package__).joinpath('ready_made_metrics.yaml').read_text(encoding='utf-8')
    return TypeAdapter(dict[str, MetricRuleSettings]).validate_python(yaml.safe_load(text))


READY_MADE = _load()
"""The rules by name."""


def _names(value: object) -> object:
    if isinstance(value, bool):
        return tuple(READY_MADE) if value else ()
    names = value if isinstance(value, (list, tuple)) else (value,)
    for name in names:
        if name not in READY_MADE:
            raise ValueError(f'there is no {name}')
    return names


ReadyMade = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""Names of ready-made rules; ``true`` stands for all, ``false`` for none."""

ALL = tuple(READY_MADE)

DESCRIPTION = f'true, false, or a list of names: {", ".join(READY_MADE)}'
"""Of a parameter of that type."""
