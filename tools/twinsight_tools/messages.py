"""What the tools tell their user: one line per choice, one line per error."""

from __future__ import annotations

from collections.abc import Callable
import sys

LABEL_WIDTH = 13


class ToolError(Exception):
    """Something the user can act on; its text says what is wrong, where, and what to do."""

    exit_code = 1


class UsageError(ToolError):
    """The command line or the configuration is wrong."""

    exit_code = 2


def say(label: str, text: str) -> None:
    """Print one aligned line, such as `ROS 2        wheels (kilted) in .venv`."""
    print(f'{label:<{LABEL_WIDTH}}{text}', flush=True)


def exit_code_of(action: Callable[[], int]) -> int:
    """Run a command's body; an error for the user becomes one line and its exit code."""
    try:
        return action()
    except ToolError as error:
        print(f'error: {error}', file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        print('\ninterrupted; the next call goes on from here', file=sys.stderr, flush=True)
        return 130
