"""What a part of the benchmark hands back, and how it looks to people."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
import json
from pathlib import Path
import signal
import statistics
import sys
from typing import Any, NamedTuple

from rich.console import Console, RenderableType

from twinsight_store.errors import TwinsightError
from twinsight_tools.messages import ToolError

_WIDTH = 180
_NONE = '–'


class Measured(NamedTuple):
    """
    The results of one part, all from one run.

    shown    tables and lines, in the order in which they are printed
    numbers  the same and more, as JSON can hold it
    """

    shown: Sequence[RenderableType]
    numbers: dict[str, Any]


def console(error: bool = False) -> Console:
    """Return a console that keeps tables whole where the output is no terminal."""
    stream = sys.stderr if error else sys.stdout
    return Console(stderr=error, width=None if stream.isatty() else _WIDTH)


def run_part(name: str, about: str, measure: Callable[[bool], Measured]) -> int:
    """
    Measure one part, print it and, on request, write JSON; return the exit code.

    name  of the part's module below bench
    """
    parser = argparse.ArgumentParser(
        prog=f'python -m bench.{name}', description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    options = parser.parse_args()
    return run_parts({name.rpartition('.')[2]: measure}, options.quick, options.json)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every part understands."""
    parser.add_argument('--quick', action='store_true', help='fewer and shorter rounds')
    parser.add_argument('--json', type=Path, metavar='FILE', help='a file for all numbers')


def run_parts(
    parts: Mapping[str, Callable[[bool], Measured]], quick: bool, file: Path | None
) -> int:
    """Measure parts one after the other; return the exit code."""
    # As Ctrl-C: every block ends its processes and removes its folder.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    numbers: dict[str, Any] = {}
    failed = False
    try:
        for name, measure in parts.items():
            try:
                measured = measure(quick)
            except (ToolError, TwinsightError) as error:
                print(f'{name}: {error}', file=sys.stderr)
                failed = True
                continue
            numbers[name] = measured.numbers
            console().print(*measured.shown, sep='\n')
    except KeyboardInterrupt:
        return 130
    finally:
        if file is not None and numbers:
            file.write_text(json.dumps(numbers, indent=1) + '\n')
    return 1 if failed else 0


def median(values: Sequence[float]) -> float | None:
    """Return the median, None of nothing."""
    return statistics.median(values) if values else None


def number(value: float | None) -> str:
    """Return a number with three digits that count, or all before the point."""
    if value is None:
        return _NONE
    for limit, digits in ((100.0, 0), (10.0, 1), (1.0, 2)):
        if abs(value) >= limit:
            return f'{value:,.{digits}f}'
    return f'{value:.3f}' if value else '0'


def spread(values: Sequence[float]) -> str:
    """Return the median, and of several values the least and the most."""
    if len(values) < 2:
        return number(median(values))
    return f'{number(median(values))} ({number(min(values))}–{number(max(values))})'
