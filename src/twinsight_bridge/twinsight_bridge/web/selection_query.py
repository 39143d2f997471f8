"""The selection as query parameters: the names and meanings of the command line's options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
import re
from typing import Annotated, Any

from fastapi import Depends, Query

from twinsight_bridge.web.query_errors import QueryErrors
from twinsight_store.selection import Selection
from twinsight_store.selection_arguments import check_not_empty, labels_from
from twinsight_store.times import ACCEPTED, parse_time

_ZONE = re.compile(r'(:\d{2}(?:\.\d+)?) (\d{2}:?\d{2})$', re.ASCII)
_TIMES = f'{ACCEPTED}; without a zone it is the local time of the server'

Robots = Annotated[
    tuple[str, ...],
    Query(description='Robot id; several are alternatives.', examples=['robot_01']),
]
Missions = Annotated[
    tuple[str, ...],
    Query(description='Mission id; several are alternatives.', examples=['mission_42']),
]
Sensors = Annotated[
    tuple[str, ...],
    Query(description='Sensor type; several are alternatives.', examples=['camera']),
]
Topics = Annotated[
    tuple[str, ...],
    Query(
        description='Topic, or a pattern such as `/camera/*`; several are alternatives.',
        examples=['/camera/*'],
    ),
]
FromTime = Annotated[
    str | None,
    Query(alias='from', description=f'Start, included: {_TIMES}.', examples=['-15m']),
]
ToTime = Annotated[
    str | None,
    Query(alias='to', description=f'End, excluded: {_TIMES}.', examples=['-5m']),
]
Labels = Annotated[
    tuple[str, ...],
    Query(description='Label of the data as NAME=VALUE; all must hold.', examples=['site=north']),
]


def selection_of(
    robot: Robots = (), mission: Missions = (), sensor: Sensors = (), topic: Topics = (),
    from_time: FromTime = None, to_time: ToTime = None, label: Labels = (),
) -> Selection:
    """Return the selection that a query asks for; raise RequestValidationError for others."""
    errors = QueryErrors()
    given: dict[str, Any] = {}
    texts: Mapping[str, tuple[str, ...]] = {
        'robot': robot, 'mission': mission, 'sensor': sensor, 'topic': topic,
    }
    for name, values in texts.items():
        given |= errors.parsed(name, values, partial(_texts, name, values)) or {}
    given |= errors.parsed('label', label, partial(_labels, label)) or {}
    for name, time in (('from', from_time), ('to', to_time)):
        given |= errors.parsed(name, time, partial(_time, name, time)) or {}
    selection = errors.parsed('to', to_time, lambda: Selection(**given))
    errors.check()
    assert selection is not None
    return selection


def mission_selection_of(
    robot: Robots = (), mission: Missions = (), from_time: FromTime = None,
    to_time: ToTime = None, label: Labels = (),
) -> Selection:
    """Return the selection of what has neither sensor nor topic, as missions and events."""
    return selection_of(
        robot=robot, mission=mission, from_time=from_time, to_time=to_time, label=label
    )


def metric_selection_of(
    robot: Robots = (), mission: Missions = (), topic: Topics = (), from_time: FromTime = None,
    to_time: ToTime = None, label: Labels = (),
) -> Selection:
    """Return the selection of what has no sensor, as metrics; topics are what they come from."""
    return selection_of(
        robot=robot, mission=mission, topic=topic, from_time=from_time, to_time=to_time,
        label=label,
    )


SelectionQuery = Annotated[Selection, Depends(selection_of)]
"""The dependency of an endpoint for data: robot, mission, sensor, topic, from, to, label."""

MissionQuery = Annotated[Selection, Depends(mission_selection_of)]
"""The same without sensor and topic."""

MetricQuery = Annotated[Selection, Depends(metric_selection_of)]
"""The same without sensor."""


def time_of(text: str) -> int:
    """
    Return the time of a query in Unix ns; raise ConfigurationError for others.

    A "+" in a query means a space, so that one is taken for the "+" of a zone.
    """
    return parse_time(_ZONE.sub(r'\1+\2', text))


def _texts(name: str, values: tuple[str, ...]) -> dict[str, Any]:
    check_not_empty(name, values)
    given: dict[str, Any] = {f'{name}s': values}
    Selection(**given)
    return given


def _labels(texts: tuple[str, ...]) -> dict[str, Any]:
    labels = labels_from(texts)
    Selection(labels=labels)
    return {'labels': labels}


def _time(name: str, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    time_ns = time_of(text)
    Selection(from_ns=time_ns)
    return {f'{name}_ns': time_ns}
