"""Errors of the suite: one base class, one class for each thing that can go wrong."""


class TwinsightError(Exception):
    """Base of every error that TwinSight raises; its text is one line for the user."""


class ConfigurationError(TwinsightError):
    """A parameter, argument or environment variable has a value that is not accepted."""


class StoreUnavailableError(TwinsightError):
    """The store does not answer; the same request may succeed later."""


class StoreRefusedError(TwinsightError):
    """
    The store answers and refuses a request: token, quota or content.

    ``status`` is the HTTP status that it answered with.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class RecordError(TwinsightError):
    """A stored record or a bag's message cannot be read."""


class NothingMatchedError(TwinsightError):
    """A selection matches no message; the text says what there is."""


class SpoolError(TwinsightError):
    """A spool on disk cannot be read or written: folder, permission, full disk."""
