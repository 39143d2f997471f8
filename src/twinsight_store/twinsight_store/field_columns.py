"""Fields of messages as Arrow columns, by the definitions that are stored; needs no ROS 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from twinsight_store.channel import Channel
from twinsight_store.decoder import decoded, Decoder, decoder_of, FieldType
from twinsight_store.errors import ConfigurationError, RecordError
from twinsight_store.field_steps import FieldSteps, hint, Key
from twinsight_store.message import header_stamp_ns, Message

TIME, STAMP = 'time', 'stamp'

_BLOCK_BYTES = 16_000_000
_BLOCK_ROWS = 65_536

_INSTANT = pa.timestamp('ns', 'UTC')
_TYPES = {
    'bool': pa.bool_(), 'byte': pa.uint8(), 'char': pa.uint8(), 'string': pa.string(),
    'int8': pa.int8(), 'int16': pa.int16(), 'int32': pa.int32(), 'int64': pa.int64(),
    'uint8': pa.uint8(), 'uint16': pa.uint16(), 'uint32': pa.uint32(), 'uint64': pa.uint64(),
    'float32': pa.float32(), 'float64': pa.float64(),
}


class FieldColumns:
    """
    A table of some fields of one topic, a row a message.

    Columns: ``time`` (receive time), ``stamp`` where the type begins with a header, the labels
    that are asked for, and the fields. A field is null where its list has no such element.
    Arrays are lists of a fixed size, sequences are lists.
    """

    def __init__(
        self, channels: Sequence[Channel], fields: Mapping[str, str], labels: Sequence[str] = ()
    ) -> None:
        """
        Make one for the channels of a topic; ``fields`` tells the field of each column.

        Raises ConfigurationError where a channel's type has no such field, RecordError where its
        definition cannot be used.
        """
        self._paths = [FieldSteps.parse(text) for text in fields.values()]
        self._labels = labels
        self._types: list[pa.DataType] = []
        self._decoders: dict[Channel, Decoder] = {}
        for channel in channels:
            self._learn(channel)
        self._stamped = any(decoder.stamped for decoder in self._decoders.values())
        self._schema = pa.schema([
            (TIME, _INSTANT),
            *([(STAMP, _INSTANT)] if self._stamped else ()),
            *((name, pa.string()) for name in labels),
            *zip(fields, self._types, strict=True),
        ])
        self._rows: list[list[Any]] = []
        self._bytes = 0
        self._batches: list[pa.RecordBatch] = []

    def add(self, message: Message) -> None:
        """
        Take a message; raises RecordError where it cannot be decoded.

        Raises ConfigurationError where it was recorded with a definition that has no such field,
        or one of another type.
        """
        fields = decoded(message)
        decoder = self._decoders.get(message.channel) or self._learn(message.channel)
        row: list[Any] = [message.receive_ns]
        if self._stamped:
            row.append(header_stamp_ns(message.data) if decoder.stamped else None)
        row += [message.labels.get(name) for name in self._labels]
        row += [path.place(fields) for path in self._paths]
        self._rows.append(row)
        self._bytes += len(message.data)
        if self._bytes >= _BLOCK_BYTES or len(self._rows) >= _BLOCK_ROWS:
            self._pack()

    def table(self) -> pa.Table:
        """Return the table of all messages so far."""
        self._pack()
        return pa.Table.from_batches(self._batches, self._schema)

    def _learn(self, channel: Channel) -> Decoder:
        try:
            decoder = decoder_of(channel)
        except RecordError as error:
            raise RecordError(f'{channel.topic} ({channel.type_name}): {error}') from error
        root = FieldType(decoder.type_name)
        types = [_Way(decoder, path.text, root).go(path.steps) for path in self._paths]
        for path, known, found in zip(self._paths, self._types or types, types, strict=True):
            if known != found:
                raise ConfigurationError(
                    f'field {path.text!r}: {channel.topic} has it as {known}, and where its '
                    f'definition is another one as {found}: select one of them by time or mission'
                )
        self._types = types
        self._decoders[channel] = decoder
        return decoder

    def _pack(self) -> None:
        """Turn the rows into Arrow's form, which holds the messages' data no longer."""
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [
                _array(values, kind)
                for values, kind in zip(columns, self._schema.types, strict=True)
            ]
            self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows, self._bytes = [], 0


class _Way:
    """Follows a path through a definition; its errors name the part that was followed."""

    def __init__(self, decoder: Decoder, text: str, place: FieldType) -> None:
        self._decoder = decoder
        self._text = text
        self._place = place
        self._done = ''

    def go(self, steps: Sequence[str | int | Key]) -> pa.DataType:
        """Return the Arrow type of what the steps lead to."""
        for step in steps:
            if isinstance(step, str):
                self._place = self._field(step)
                self._done += f'.{step}' if self._done else step
            else:
                self._place = self._element(step)
                self._done += f'[{step}]' if isinstance(step, int) else '[...]'
        place = self._place
        if place.is_message:
            raise self._error(f'{self._done} is {self._described()}')
        value = _TYPES[place.name]
        if not place.is_list:
            return value
        return pa.list_(value, place.size) if place.size else pa.list_(value)

    def _field(self, name: str) -> FieldType:
        if self._place.is_list or not self._place.is_message:
            raise self._error(f'{self._done} is {self._described()}; it has no {name}')
        fields = self._decoder.types[self._place.name]
        if name not in fields:
            raise self._error(f'{self._place.name} has no {name}{hint(name, list(fields))}')
        return fields[name]

    def _element(self, step: int | Key) -> FieldType:
        place = self._place
        if not place.is_list or (isinstance(step, Key) and not place.is_message):
            raise self._error(f'{self._done} is {self._described()}')
        element = FieldType(place.name)
        if isinstance(step, Key):
            _Way(self._decoder, self._text, element).go(step.names)
        elif place.size and not -place.size <= step < place.size:
            raise self._error(f'{self._done} has no [{step}]: it has {place.size} elements')
        return element

    def _described(self) -> str:
        place = self._place
        if place.is_list and place.is_message:
            return f'a list of {place.name}: select an element with [0], [-1] or [FIELD=TEXT]'
        if place.is_message:
            names = (f'{self._done}.{name}' for name in self._decoder.types[place.name])
            return f'a {place.name}, not one value; in it: {", ".join(names)}'
        return f'a list of {place.name}' if place.is_list else f'one {place.name}'

    def _error(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f'field {self._text!r}: {reason}')


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return values as an array, numbers in lists without a look at each."""
    is_fixed = pa.types.is_fixed_size_list(kind)
    is_list = is_fixed or pa.types.is_list(kind)
    if (kind.value_type if is_list else kind) == pa.uint8():
        values = [_unsigned(value) for value in values]
    if not is_list or kind.value_type == pa.string() or any(value is None for value in values):
        return pa.array(values, kind)
    numbers = pa.array(np.concatenate(values), kind.value_type)
    if is_fixed:
        return pa.FixedSizeListArray.from_arrays(numbers, kind.list_size)
    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), numbers)


def _unsigned(value: Any) -> Any:
    """Return a ``byte`` as ROS has it; rosbags gives it a sign."""
    if isinstance(value, np.ndarray):
        return value.view(np.uint8)
    return None if value is None else int(value) & 0xFF
