"""GET /metrics: numbers and texts over time, of any length in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from typing import Annotated, cast, Literal

from fastapi import APIRouter, Query, Request, Response
import pyarrow as pa

from twinsight_bridge.web.durations import ACCEPTED, duration_ns
from twinsight_bridge.web.errors import NOT_FOUND, RESPONSES
from twinsight_bridge.web.metric_formats import FORMS
from twinsight_bridge.web.metric_query import NameQuery
from twinsight_bridge.web.query_errors import query_errors
from twinsight_bridge.web.selection_query import MetricQuery
from twinsight_bridge.web.stores import Stores, StoresOfApp
from twinsight_bridge.web.streaming import StreamedResponse, while_connected
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.read import DEFAULT_MAX_POINTS, history_batches
from twinsight_store.history.wide import wide_batches

_RESOLUTIONS = {'raw': 'raw', '1s': '1s', '1min': '1min', '1m': '1min', 'auto': 'auto'}

Format = Annotated[
    Literal['json', 'csv', 'arrow'],
    Query(description='arrow is a stream of Arrow IPC, for pandas, polars and the like.'),
]

_ANSWER = {
    200: {
        'description': 'The rows, in time order, while they are read. Where a store goes away '
                       'amid them the connection is closed before the answer is complete.',
        'content': {form.media_type.split(';')[0]: {} for form in FORMS.values()},
    },
    **NOT_FOUND,
}

router = APIRouter(tags=['metrics'], responses=RESPONSES)


@router.get('/metrics', response_class=Response, responses=_ANSWER)
async def metrics(
    request: Request, stores: StoresOfApp, selection: MetricQuery, name: NameQuery,
    every: Annotated[
        Literal['raw', '1s', '1min', '1m', 'auto'],
        Query(description='raw: each sample; 1s, 1min: numbers a second or a minute; auto: the '
                          'finest of these that has at most `max_points` rows.'),
    ] = 'raw',
    max_points: Annotated[int, Query(ge=1, description='Of auto.')] = DEFAULT_MAX_POINTS,
    format: Format = 'json',  # noqa: A002
) -> Response:
    """
    Return the samples of metrics, one a row, in time order.

    Of **raw** a row has time, robot_id, mission_id, name, value (a number, or null) and text (or
    null). Of **1s** and **1min** it has, for the bucket that begins at its time, average,
    minimum, maximum, last and count; texts are in none.
    """
    read = partial(
        history_batches, resolution=_RESOLUTIONS[every], max_points=max_points
    )
    return await _streamed(
        request, stores, lambda settings: read(settings, selection, *name), format
    )


@router.get('/metrics/grid', response_class=Response, responses=_ANSWER)
async def grid(
    request: Request, stores: StoresOfApp, selection: MetricQuery, name: NameQuery,
    every: Annotated[
        str, Query(description=f'Distance of the rows: {ACCEPTED}.', examples=['100ms'])
    ],
    tolerance: Annotated[
        str | None,
        Query(description=f'How far from its row a sample may be: {ACCEPTED}. By default as far '
                          'as the rows are from each other.'),
    ] = None,
    method: Annotated[
        Literal['last', 'linear', 'nearest'],
        Query(description='last: the sample before; linear: between that and the next; nearest.'),
    ] = 'last',
    format: Format = 'json',  # noqa: A002
) -> Response:
    """
    Return metrics side by side, each a column, their values at equal distances of time.

    Rows are at multiples of `every` since 1970, for each robot. A value is null where no sample
    is near enough.
    """
    with query_errors('every'):
        period_ns = duration_ns('every', every)
    with query_errors('tolerance'):
        tolerance_ns = period_ns if tolerance is None else duration_ns('tolerance', tolerance)
    read = partial(
        wide_batches, period_ns=period_ns, tolerance_ns=tolerance_ns, method=method
    )
    return await _streamed(
        request, stores, lambda settings: read(settings, selection, *name), format
    )


async def _streamed(
    request: Request, stores: Stores,
    read: Callable[[PostgresSettings], Iterator[pa.RecordBatch]], name: str,
) -> Response:
    form = FORMS[name]

    def encoded(settings: PostgresSettings) -> Iterator[bytes]:
        with closing(cast(Generator[pa.RecordBatch, None, None], read(settings))) as batches:
            yield from form.encoded(batches)

    blocks = stores.read_history(encoded)
    headers = {'Content-Disposition': f'attachment; filename="metrics.{name}"'}
    return await while_connected(
        request, StreamedResponse.of(blocks, form.media_type, headers)
    )
