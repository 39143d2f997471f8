"""Service types of installed packages: their classes and definitions, by the type's name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError

from twinsight_store.message_definition import with_parts
from twinsight_store.message_types import UnknownTypeError


@cache
def service_class(type_name: str) -> Any:
    """Return the class of ``package/srv/Type``; raise UnknownTypeError where it is absent."""
    package, _, name = type_name.partition('/srv/')
    if not package.isidentifier() or not name.isidentifier():
        raise UnknownTypeError(type_name, 'not a service type')
    try:
        return getattr(import_module(f'{package}.srv'), name)
    except ImportError as error:
        raise UnknownTypeError(type_name, 'not installed here') from error
    except AttributeError as error:
        raise UnknownTypeError(type_name, f'the installed package has no {name}') from error


@cache
def service_definition(type_name: str) -> tuple[bytes, bytes]:
    """
    Return the texts of a service's request and response, each as ``ros2msg`` in full.

    Raises UnknownTypeError.
    """
    package, _, name = type_name.partition('/srv/')
    try:
        path = Path(get_package_share_directory(package)) / 'srv' / f'{name}.srv'
        text = path.read_text()
    except (PackageNotFoundError, ValueError) as error:
        raise UnknownTypeError(type_name, 'not installed here') from error
    except OSError as error:
        raise UnknownTypeError(
            type_name, f'the installed package has no srv/{name}.srv'
        ) from error
    request, _, response = f'\n{text}\n'.partition('\n---')
    return (
        with_parts(package, request.strip('\n'), type_name),
        with_parts(package, response.strip('\n-'), type_name),
    )
