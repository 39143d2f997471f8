"""How every command of the suite ends: its exit code, and an error as one line."""

from __future__ import annotations

from collections.abc import Callable
import os
import sys

from twinsight_store.errors import ConfigurationError, NothingMatchedError, TwinsightError

FAILED, WRONG_USAGE, NOTHING_MATCHED, INTERRUPTED = 1, 2, 3, 130


def exit_code_of(program: str, action: Callable[[], int], interrupted: str = '') -> int:
    """
    Return a command's exit code; what went wrong becomes one line on stderr.

    Where nobody reads the output any more (``… | head``), the command has failed, with no word.

    action       does the work; returns the exit code, or raises TwinsightError
    interrupted  what is said after Ctrl-C; nothing where it is empty
    """
    try:
        code = action()
        sys.stdout.flush()  # here, where it may fail; not when Python ends
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        text, code = interrupted, INTERRUPTED
    except TwinsightError as error:
        text, code = str(error), _code_of(error)
    if text:
        print(f'{program}: {text}', file=sys.stderr)
    return code


def _code_of(error: TwinsightError) -> int:
    if isinstance(error, ConfigurationError):
        return WRONG_USAGE
    return NOTHING_MATCHED if isinstance(error, NothingMatchedError) else FAILED
