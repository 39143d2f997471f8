"""Decoding messages by the definition that is stored with them; needs no ROS 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
import re
import struct
import threading
from typing import Any, NamedTuple

from rosbags.interfaces import Nodetype
from rosbags.interfaces.typing import FieldDesc, Typesdict
from rosbags.serde import SerdeError
from rosbags.typesys import get_types_from_idl, get_types_from_msg, get_typestore, Stores
from rosbags.typesys.base import normalize_fieldname

from twinsight_store.channel import Channel
from twinsight_store.errors import RecordError
from twinsight_store.message import Message
from twinsight_store.times import format_time

_MOST_TYPES = 256
_HEAD_SIZE = 4  # the encapsulation of CDR
_SEPARATOR = '=' * 80 + '\n'
_UNKNOWN_TO_ROSBAGS = ('wstring', 'wchar', 'float128', 'fixed')
_DIRECTIVE = re.compile(r'^[ \t]*#.*$', re.MULTILINE)

_making = threading.Lock()


class FieldType(NamedTuple):
    """
    The type of a field.

    name     of a message type (``std_msgs/msg/Header``), or ``float64``, ``string``, ...
    is_list  whether the field has several values
    size     how many, where it is an array; 0 for a sequence
    """

    name: str
    is_list: bool = False
    size: int = 0

    @property
    def is_message(self) -> bool:
        """Return whether the values have fields of their own."""
        return '/' in self.name


class Decoder:
    """
    Decodes the messages of one type.

    type_name  package/msg/Type
    types      name of each type in its definition → its attributes and their types
    """

    def __init__(self, type_name: str, encoding: str, schema: bytes) -> None:
        """Make one of a definition in ``ros2msg`` or ``ros2idl``; raises RecordError."""
        try:
            parsed = _parsed(type_name, encoding, schema)
            self.type_name = next(iter(parsed))  # of msg/Type and of Type it makes the former
            self.types: Mapping[str, Mapping[str, FieldType]] = {
                name: {normalize_fieldname(field): _field_type(desc) for field, desc in fields}
                for name, (_, fields) in parsed.items()
            }
            self._check()
            self._store = get_typestore(Stores.EMPTY)
            self._store.register(parsed)
            made = self._store.get_msgdef(self.type_name)
            self._class = made.cls
            self._by_head = {b'\0\0': made.deserialize_cdr_be, b'\0\1': made.deserialize_cdr_le}
        except RecordError:
            raise
        except Exception as error:  # whatever text that is no definition does to its parser
            raise RecordError(f'its {encoding} definition cannot be read') from error

    @property
    def stamped(self) -> bool:
        """Return whether the first field of the type is a std_msgs/Header."""
        first = next(iter(self.types[self.type_name].values()), None)
        return first == FieldType('std_msgs/msg/Header')

    def decode(self, data: bytes) -> Any:
        """
        Return the message; its fields are attributes, its numeric arrays numpy views of data.

        Raises RecordError where the bytes are no such message.
        """
        # Not deserialize_cdr(): that refuses what Fast DDS leaves behind a message's last field.
        read = self._by_head.get(data[:2])
        if read is None:
            raise RecordError(f'its {len(data)} bytes are no CDR: they begin with {data[:2]!r}')
        try:
            found, _ = read(memoryview(data)[_HEAD_SIZE:], 0, self._class, self._store)
        except (SerdeError, struct.error, ValueError) as error:
            raise RecordError(f'its {len(data)} bytes cannot be decoded: {error}') from error
        return found

    def _check(self) -> None:
        """Raise RecordError where the type has a part whose bytes are not known."""
        seen = {self.type_name}
        waiting = [self.type_name]
        while waiting:
            name = waiting.pop()
            if name not in self.types:
                kind = name.rpartition('/')[2]  # of a kind that it does not know it makes a type
                what = f'has a {kind}' if kind in _UNKNOWN_TO_ROSBAGS else f'lacks {name}'
                raise RecordError(f'its definition {what}')
            for field in self.types[name].values():
                if field.name in _UNKNOWN_TO_ROSBAGS:
                    raise RecordError(f'its definition has a {field.name}')
                if field.is_message and field.name not in seen:
                    seen.add(field.name)
                    waiting.append(field.name)


def decoded(message: Message) -> Any:
    """
    Return the fields of a message; see Decoder.decode().

    Raises RecordError, which names topic, type and time.
    """
    try:
        return decoder_of(message.channel).decode(message.data)
    except RecordError as error:
        raise RecordError(
            f'{message.topic} ({message.type_name}) at {format_time(message.receive_ns)}: {error}'
        ) from error


def decoder_of(channel: Channel) -> Decoder:
    """Return the decoder of a channel's messages; raises RecordError where there can be none."""
    if channel.message_encoding != 'cdr':
        raise RecordError(f'its messages are {channel.message_encoding or "unknown"}, not cdr')
    if channel.schema_encoding not in ('ros2msg', 'ros2idl'):
        raise RecordError(
            f'its definition is {channel.schema_encoding or "not stored"}: '
            'accepted are ros2msg and ros2idl'
        )
    made = _made(channel.type_name, channel.schema_encoding, channel.schema)
    if isinstance(made, RecordError):
        raise RecordError(str(made)) from made
    return made


@lru_cache(_MOST_TYPES)
def _made(type_name: str, encoding: str, schema: bytes) -> Decoder | RecordError:
    """Return a decoder, or why there is none: neither is found out for each message anew."""
    with _making:  # rosbags makes the classes in a module that all share
        try:
            return Decoder(type_name, encoding, schema)
        except RecordError as error:
            return error


def _parsed(type_name: str, encoding: str, schema: bytes) -> Typesdict:
    text = schema.decode().replace('\r\n', '\n')
    if encoding == 'ros2msg':
        return get_types_from_msg(text, type_name)
    types: Typesdict = {}
    for part in _idl_parts(text):
        types.update(get_types_from_idl(part))
    return types


def _field_type(desc: FieldDesc) -> FieldType:
    if desc[0] == Nodetype.BASE:
        return FieldType(desc[1][0])
    if desc[0] == Nodetype.NAME:
        return FieldType(desc[1])
    element, size = desc[1]
    return FieldType(_field_type(element).name, True, size if desc[0] == Nodetype.ARRAY else 0)


def _idl_parts(text: str) -> Iterator[str]:
    """Give the files that a ``ros2idl`` text consists of, without what is for a preprocessor."""
    for part in text.split(_SEPARATOR):
        if part.strip():
            head, _, body = part.partition('\n')
            yield _DIRECTIVE.sub('', body if head.startswith('IDL: ') else part)
