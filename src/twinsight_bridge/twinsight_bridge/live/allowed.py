"""Which names viewers may see and use."""

from __future__ import annotations

from collections.abc import Sequence
import re

from twinsight_store.errors import ConfigurationError


class Allowed:
    """
    Names that match one of some regular expressions, as a whole.

    Names with a part that begins with ``_`` are hidden (https://design.ros2.org, topic and service
    names) and match only where hidden ones are included.
    """

    def __init__(
        self, field: str, expressions: Sequence[str], include_hidden: bool = True
    ) -> None:
        """Make one; raises ConfigurationError, naming the field, where one is no expression."""
        self._include_hidden = include_hidden
        try:
            self._expressions = [re.compile(each) for each in expressions]
        except re.error as error:
            raise ConfigurationError(
                f'{field}: {error.pattern!r}: {error}; accepted is a list of regular expressions'
            ) from error

    def __contains__(self, name: object) -> bool:
        """Return whether a name may be seen."""
        if not isinstance(name, str) or (not self._include_hidden and '/_' in name):
            return False
        return any(each.fullmatch(name) for each in self._expressions)
