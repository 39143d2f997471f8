"""
The replay measured, one part after the other, each with a private ReductStore of its own.

timing      how exactly the recorded times are kept at 1× and 10×, and what that costs
throughput  messages/s and MB/s with --rate inf, beside a plain MCAP file and the store's limit
supply      100 MB/s at 1×: whether the queue runs dry
seek        from a seek to the first message, in an hour of recording (9 GB of disk)

Each part also runs alone: python -m bench.replay.timing. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import sys

from bench.report import add_arguments, run_parts

from . import seek, supply, throughput, timing

_EXAMPLES = """\
examples:
  tools/env .venv/bin/python -m bench.replay --quick
  tools/env .venv/bin/python -m bench.replay --json replay.json
  tools/env .venv/bin/python -m bench.replay.seek
"""
_PARTS = {
    'timing': timing.measure,
    'throughput': throughput.measure,
    'supply': supply.measure,
    'seek': seek.measure,
}


def main() -> int:
    """Measure all parts; return the exit code."""
    parser = argparse.ArgumentParser(
        prog='python -m bench.replay', description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    options = parser.parse_args()
    return run_parts(_PARTS, options.quick, options.json)


if __name__ == '__main__':
    sys.exit(main())
