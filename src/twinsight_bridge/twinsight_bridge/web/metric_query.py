"""Names of metrics as query parameters."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from twinsight_bridge.web.query_errors import query_errors
from twinsight_store.selection import check_text
from twinsight_store.selection_arguments import check_not_empty

Names = Annotated[
    tuple[str, ...],
    Query(
        description='Metric, or a pattern such as `odom.*`; several are alternatives.',
        examples=['battery.percentage'],
    ),
]


def _checked(name: Names = ()) -> tuple[str, ...]:
    with query_errors('name'):
        check_not_empty('name', name)
        for each in name:
            check_text('name', each)
    return name


NameQuery = Annotated[tuple[str, ...], Depends(_checked)]
"""The dependency of an endpoint that asks for metrics by name or pattern; none for all."""
