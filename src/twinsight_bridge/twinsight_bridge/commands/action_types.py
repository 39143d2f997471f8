"""Action types of installed packages, by the type's name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from twinsight_store.message_types import UnknownTypeError


@cache
def action_class(type_name: str) -> Any:
    """Return the class of ``package/action/Type``; raise UnknownTypeError where it is absent."""
    package, _, name = type_name.partition('/action/')
    if not package.isidentifier() or not name.isidentifier():
        raise UnknownTypeError(type_name, 'not an action type')
    try:
        return getattr(import_module(f'{package}.action'), name)
    except ImportError as error:
        raise UnknownTypeError(type_name, 'not installed here') from error
    except AttributeError as error:
        raise UnknownTypeError(type_name, f'the installed package has no {name}') from error
