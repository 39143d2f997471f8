"""What may be wrong with what is asked of replay sessions."""

from __future__ import annotations

from twinsight_store.errors import ConfigurationError, TwinsightError


class QueryError(ConfigurationError):
    """
    A field of a query has a value that is not accepted.

    ``field`` is its name, ``message`` says what is accepted.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f'{field}: {message}')
        self.field = field
        self.message = message


class NoSessionError(TwinsightError):
    """There is no session of that name; it may have ended."""


class SessionConflictError(TwinsightError):
    """A session of that name plays something else."""


class SessionLimitError(TwinsightError):
    """As many sessions run as may, or one has too much to do; later it may be possible."""


class SessionEndedError(TwinsightError):
    """A session ended before it did what it was asked for."""
