"""Message classes of installed packages, by the type's name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from twinsight_store.errors import TwinsightError


class UnknownTypeError(TwinsightError):
    """A message type is not installed on this machine."""

    def __init__(self, type_name: str, reason: str) -> None:
        package = type_name.split('/', 1)[0]
        super().__init__(
            f'type {type_name}: {reason}: install package {package}, or source its workspace'
        )


@cache
def message_class(type_name: str) -> type:
    """Return the class of ``package/msg/Type``; raise UnknownTypeError where it is absent."""
    package, _, name = type_name.partition('/msg/')
    if not package.isidentifier() or not name.isidentifier():
        raise UnknownTypeError(type_name, 'not a message type')
    try:
        return getattr(import_module(f'{package}.msg'), name)
    except ImportError as error:
        raise UnknownTypeError(type_name, 'not installed here') from error
    except AttributeError as error:
        raise UnknownTypeError(type_name, f'the installed package has no {name}') from error
