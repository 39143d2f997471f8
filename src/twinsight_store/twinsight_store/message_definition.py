"""
Definitions of installed message types, in the text form that MCAP and rosbag2 use.

Format ``ros2msg``: the type's own .msg text, then each type that it uses, separated by a line
of 80 ``=`` and a line ``MSG: package/Type``. Format ``ros2idl``, for types of which there is no
.msg: the .idl texts, each with such lines before it, ``IDL: package/msg/Type`` (MCAP registry,
https://mcap.dev/spec/registry).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
import re

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError

from twinsight_store.message_types import UnknownTypeError

_SEPARATOR = '=' * 80
_PRIMITIVE = frozenset((
    'bool', 'byte', 'char', 'float32', 'float64', 'int8', 'uint8', 'int16', 'uint16', 'int32',
    'uint32', 'int64', 'uint64', 'string', 'wstring',
))
_FIELD = re.compile(r'^\s*([A-Za-z][A-Za-z0-9_]*(?:/[A-Za-z0-9_]+){0,2})[^#=]*?\s+[A-Za-z]\w*')

_INCLUDE = re.compile(r'^\s*#include\s+"(\w+/msg/\w+)\.idl"', re.MULTILINE)


@cache
def definition(type_name: str) -> tuple[str, bytes]:
    """
    Return encoding (``ros2msg`` or ``ros2idl``) and text of a type's full definition.

    Raises UnknownTypeError.
    """
    package, _, name = type_name.partition('/msg/')
    main = _text(package, name)
    if main is None:
        if not _path(package, name, 'idl').is_file():
            raise UnknownTypeError(type_name, f'the installed package has no msg/{name}.msg')
        return 'ros2idl', _idl_with_parts(package, name)
    return 'ros2msg', with_parts(package, main, type_name)


def with_parts(package: str, text: str, type_name: str) -> bytes:
    """
    Return a text in .msg form, followed by the definition of each type that it uses.

    package    where types stand that the text names without one
    type_name  whose text it is, for errors

    Raises UnknownTypeError.
    """
    parts = [text]
    seen: set[tuple[str, str]] = set()
    waiting = _used(package, text)
    while waiting:
        used = waiting.pop(0)
        if used in seen:
            continue
        seen.add(used)
        part = _text(*used)
        if part is None:
            raise UnknownTypeError(type_name, f'its part {"/".join(used)} is not installed')
        parts.append(f'{_SEPARATOR}\nMSG: {"/".join(used)}\n{part}')
        waiting += _used(used[0], part)
    return '\n'.join(parts).encode()


def _idl_with_parts(package: str, name: str) -> bytes:
    """Return a type's .idl text and those that it includes, each with a line that names it."""
    parts: list[str] = []
    seen: set[str] = set()
    waiting = [f'{package}/msg/{name}']
    while waiting:
        used = waiting.pop(0)
        if used in seen:
            continue
        seen.add(used)
        owner, _, part = used.split('/')
        path = _path(owner, part, 'idl')
        if not path.is_file():
            raise UnknownTypeError(f'{package}/msg/{name}', f'its part {used} is not installed')
        text = path.read_text()
        parts.append(f'{_SEPARATOR}\nIDL: {used}\n{text}')
        waiting += _INCLUDE.findall(text)
    return '\n'.join(parts).encode()


def _used(package: str, text: str) -> list[tuple[str, str]]:
    """Return package and name of the types that a definition's fields have."""
    found = []
    for line in text.splitlines():
        match = _FIELD.match(line)
        if not match:
            continue
        *parents, name = match[1].split('/')
        if not parents and name in _PRIMITIVE:
            continue
        found.append((parents[0] if parents else package, name))
    return found


def _text(package: str, name: str) -> str | None:
    path = _path(package, name, 'msg')
    return path.read_text() if path.is_file() else None


def _path(package: str, name: str, suffix: str) -> Path:
    try:
        share = get_package_share_directory(package)
    except (PackageNotFoundError, ValueError) as error:
        raise UnknownTypeError(f'{package}/msg/{name}', 'not installed here') from error
    return Path(share) / 'msg' / f'{name}.{suffix}'
