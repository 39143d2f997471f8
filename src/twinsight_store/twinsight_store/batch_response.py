"""
Answers of ReductStore that carry many records of many entries (batch protocol v2).

The server sorts the body by entry and then by time; reduct-py 1.21 takes it as sorted by
time first and gives records the bytes of others. So queries over several entries are read
here. Protocol: ReductStore HTTP API 1.18, ``GET /io/:bucket/read``.
"""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import NamedTuple
from urllib.parse import unquote

from twinsight_store.labels import PAYLOAD_BYTES

_RECORD_HEADER = re.compile(r'x-reduct-(\d+)-(\d+)')
_LABEL = re.compile(r'(\d+)=(?:"([^"]*)"|([^,]*))(?:,|$)')


class FetchedRecord(NamedTuple):
    """
    A record as it lies in the store; labels still encoded.

    data          empty where only labels were asked for
    stored_bytes  its size, also where only labels were asked for
    """

    entry: str
    timestamp_us: int
    content_type: str
    labels: Mapping[str, str]
    data: bytes
    stored_bytes: int

    @property
    def payload_bytes(self) -> int:
        """Return how much its messages take once they are unpacked."""
        text = self.labels.get(PAYLOAD_BYTES, '')
        return int(text) if text.isdecimal() else self.stored_bytes


def parse_batch(headers: Mapping[str, str], body: bytes) -> list[FetchedRecord]:
    """
    Return the records of an answer, by timestamp and then by entry.

    body may be empty where only labels were asked for.
    Raises ValueError where headers and body do not belong together.
    """
    entries = _names(headers.get('x-reduct-entries', ''))
    label_names = _names(headers.get('x-reduct-labels', ''))
    start_us = int(headers.get('x-reduct-start-ts', '0'))
    places = sorted(
        (int(match[1]), int(match[2]), value)
        for name, value in headers.items()
        if (match := _RECORD_HEADER.fullmatch(name.lower()))
    )
    if any(index >= len(entries) for index, _, _ in places):
        raise ValueError(f'records of more than the {len(entries)} entries named')
    records = []
    previous: dict[int, tuple[str, dict[str, str]]] = {}
    offset = 0
    for index, delta_us, value in places:
        size, content_type, labels = _record_header(value, previous.get(index), label_names)
        previous[index] = (content_type, labels)
        data = body[offset:offset + size] if body else b''
        records.append(
            FetchedRecord(entries[index], start_us + delta_us, content_type, labels, data, size)
        )
        offset += size
    if body and offset != len(body):
        raise ValueError(f'{len(body)} bytes arrived where the headers name {offset}')
    records.sort(key=lambda record: (record.timestamp_us, record.entry))
    return records


def _names(header: str) -> list[str]:
    return [unquote(name.strip()) for name in header.split(',')] if header else []


def _record_header(
    value: str, previous: tuple[str, dict[str, str]] | None, label_names: list[str]
) -> tuple[int, str, dict[str, str]]:
    """Return size, content type and labels; what is left out is as in the entry's last record."""
    size, _, rest = value.partition(',')
    content_type, _, changes = rest.partition(',')
    last_type, last_labels = previous or ('application/octet-stream', {})
    if not changes:
        return int(size), content_type or last_type, last_labels
    labels = dict(last_labels)
    for index, quoted, plain in _LABEL.findall(changes):
        if int(index) >= len(label_names):
            raise ValueError(f'a label beyond the {len(label_names)} named')
        name = label_names[int(index)]
        if text := quoted or plain:
            labels[name] = text
        else:
            labels.pop(name, None)
    return int(size), content_type or last_type, labels
