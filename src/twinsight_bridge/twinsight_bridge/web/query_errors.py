"""What is wrong with a query, told in the form of FastAPI's own 422."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import re
from typing import TypeVar

from fastapi.exceptions import RequestValidationError

from twinsight_store.errors import ConfigurationError

T = TypeVar('T')

_OPTION = re.compile(r'--([a-z_]+)')


def query_error(name: str, message: str, given: object = None) -> RequestValidationError:
    """Return the error of a query parameter; ``message`` says what is accepted."""
    return RequestValidationError([_detail(name, message, given)])


class QueryErrors:
    """Gathers what is wrong with the parameters of a query, so that all is told at once."""

    def __init__(self) -> None:
        self._details: list[dict[str, object]] = []

    def parsed(self, name: str, given: object, parse: Callable[[], T]) -> T | None:
        """Return what a parameter means; None where it is wrong, which is gathered."""
        try:
            return parse()
        except ConfigurationError as error:
            self._details.append(_detail(name, for_query(str(error)), given))
            return None

    def check(self) -> None:
        """Raise RequestValidationError where something was wrong."""
        if self._details:
            raise RequestValidationError(self._details)


@contextmanager
def query_errors(name: str | None = None) -> Iterator[None]:
    """
    Turn a ConfigurationError of the block into the 422 of a query parameter.

    name  the parameter; None where the error's text begins with it, as a command's option
    """
    try:
        yield
    except ConfigurationError as error:
        text = str(error)
        found = _OPTION.match(text)
        field = name or (found[1] if found else '')
        raise query_error(field, for_query(text)) from error


def _detail(name: str, message: str, given: object) -> dict[str, object]:
    place = ('query', name) if name else ('query',)
    return {'type': 'value_error', 'loc': place, 'msg': message, 'input': given}


def for_query(text: str) -> str:
    """Return a text that was written for a command line, for a query."""
    return _OPTION.sub(r'\1', text)
