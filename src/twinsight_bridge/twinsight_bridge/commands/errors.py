"""What may come of a command besides success."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinsight_store.errors import TwinsightError


class CommandError(TwinsightError):
    """A command was not done, or is not known to be done."""


class UnknownNameError(CommandError):
    """There is no such robot, command or recorder here."""


class NotMappedError(CommandError):
    """The configuration does not say what the command means, or its type is not installed."""


class TooManyError(CommandError):
    """As many commands run as may; nothing was sent."""


class NobodyThereError(CommandError):
    """Nobody serves or listens to what the command is sent to; nothing was sent."""


class NoAnswerError(CommandError):
    """The robot did not answer in time: whether the command was done is not known."""


class RefusedError(CommandError):
    """The robot refuses the command, or what is asked does not fit its state."""


class FailedError(CommandError):
    """The robot began and did not succeed, or the command could not be sent."""


class KeyReusedError(CommandError):
    """An idempotency key came before with another command."""


@dataclass(frozen=True)
class Problem:
    """
    One thing that is wrong with a command's body.

    place    names of the fields that lead to it
    message  says what is accepted
    """

    place: tuple[str | int, ...]
    message: str


class BodyError(CommandError):
    """A command's body is not accepted."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Make one of all that is wrong."""
        super().__init__('; '.join(
            '.'.join(map(str, each.place)) + f': {each.message}' for each in problems
        ))
        self.problems = problems
