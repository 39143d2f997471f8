"""
The bridge and the api measured, one part after the other, each with processes of its own.

latency          from publishing until a viewer has it, beside a plain ROS subscriber
rates            the highest rate at which a viewer gets every message, by size
cost             processor time with 0, 1 and 5 viewers of the standard robot
stalled          memory while one of three viewers takes nothing, and what the others get
overload         memory and delay when more is published than can be passed on
mcap_throughput  GET /mcap beside bare reads of ReductStore

All but the last are also measured with foxglove-sdk alone, which is the limit. Each part also runs
alone: python -m bench.bridge.latency. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
import sys
from typing import Any

from bench.report import add_arguments, Measured, run_parts

from . import cost, latency, mcap_throughput, overload, plot, rates, stalled

_EXAMPLES = """\
examples:
  tools/env .venv/bin/python -m bench.bridge --quick
  tools/env .venv/bin/python -m bench.bridge --json bridge.json --plot bridge.svg
  tools/env .venv/bin/python -m bench.bridge.stalled
"""
_PARTS = {
    'latency': latency.measure,
    'rates': rates.measure,
    'cost': cost.measure,
    'stalled': stalled.measure,
    'overload': overload.measure,
    'mcap_throughput': mcap_throughput.measure,
}


def main() -> int:
    """Measure all parts; return the exit code."""
    parser = argparse.ArgumentParser(
        prog='python -m bench.bridge', description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.add_argument(
        '--plot', type=Path, metavar='FILE', help='a file (.svg, .png, .pdf) for a picture'
    )
    options = parser.parse_args()
    if options.plot is not None:
        plot.check(parser, options.plot)
    numbers: dict[str, Any] = {}
    parts = {name: _noting(name, measure, numbers) for name, measure in _PARTS.items()}
    code = run_parts(parts, options.quick, options.json)
    if options.plot is not None:
        plot.draw(options.plot, numbers)
    return code


def _noting(
    name: str, measure: Callable[[bool], Measured], numbers: dict[str, Any]
) -> Callable[[bool], Measured]:
    def measured(quick: bool) -> Measured:
        found = measure(quick)
        numbers[name] = found.numbers
        return found

    return measured


if __name__ == '__main__':
    sys.exit(main())
