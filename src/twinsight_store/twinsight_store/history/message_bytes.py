"""The bytes of the history's messages: Metric, Event and Alert."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from twinsight_store.cdr.writer import CdrWriter, ENCAPSULATION, SECOND, whole_seconds
from twinsight_store.metrics.fact import ALERT_RAISED
from twinsight_store.metrics.metric import Series

_STAMP_BYTES = 8
_NO_TEXT = b'\1\0\0\0\0'
_SEVERITIES = {'info': 0, 'warn': 1, 'error': 2}
_UNKNOWN = _SEVERITIES['warn']


class MetricForm:
    """What the messages of one series have in common; only stamp, value and text change."""

    def __init__(self, series: Series) -> None:
        writer = CdrWriter()
        writer.header(0)
        writer.text(series.robot_id)
        writer.text(series.mission_id)
        writer.text(series.name)
        writer.align(8)
        self._same = writer.data()[len(ENCAPSULATION) + _STAMP_BYTES:]
        self._pack = struct.Struct(f'<4siI{len(self._same)}sd{len(_NO_TEXT)}s').pack

    def data(self, time_ns: int, value: float, text: str | None) -> bytes:
        """Return the bytes of a Metric; value is NaN where it has none."""
        data = self._pack(
            ENCAPSULATION, whole_seconds(time_ns), time_ns % SECOND, self._same, value, _NO_TEXT
        )
        if not text:
            return data
        told = text.encode()
        return b''.join(
            (data[:-len(_NO_TEXT)], struct.pack('<I', len(told) + 1), told, b'\0')
        )


class EventRow(NamedTuple):
    """An event as its table has it: its time in Unix ns, its data a JSON text."""

    time_ns: int
    robot_id: str
    mission_id: str
    kind: str
    severity: str
    message: str
    data: str


def event_data(event: EventRow) -> bytes:
    """Return the bytes of an Event; a severity that no recorder writes is shown as a warning."""
    writer = CdrWriter()
    writer.header(event.time_ns)
    writer.text(event.robot_id)
    writer.text(event.mission_id)
    writer.text(event.kind)
    writer.uint8(_SEVERITIES.get(event.severity, _UNKNOWN))
    writer.text(event.message)
    writer.text(event.data)
    return writer.data()


def alert_data(event: EventRow) -> bytes | None:
    """Return the bytes of the Alert that an event was; None where its data does not tell one."""
    try:
        told = _AlertData.model_validate_json(event.data)
    except ValidationError:
        return None
    writer = CdrWriter()
    writer.header(event.time_ns)
    writer.text(event.robot_id)
    writer.text(event.mission_id)
    writer.text(told.rule)
    writer.text(told.metric)
    writer.uint8(_SEVERITIES.get(event.severity, _UNKNOWN))
    writer.uint8(event.kind == ALERT_RAISED)
    writer.text(event.message)
    writer.float64(math.nan if told.value is None else told.value)
    writer.text(told.text or '')
    writer.time(told.raised_ns)
    return writer.data()


class _AlertData(BaseModel):
    """What the data of an alert's event tells; see the recorder's alerting."""

    model_config = ConfigDict(strict=True)

    rule: str
    metric: str
    raised_ns: int
    value: float | None = None
    text: str | None = None
