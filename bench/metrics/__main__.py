"""
The metrics part measured, one part after the other, each with private servers of its own.

blobs         1 MB blobs: ReductStore beside PostgreSQL or TimescaleDB, and plain files
end_to_end    samples/s from ROS topics to Redis and PostgreSQL, beside bare COPY
latency       from publishing a message until its values are visible
read_history  reading metrics as Arrow batches, beside cursors and pandas
cdr_fields    taking fields out of serialized messages, beside decoding them

Each part also runs alone: python -m bench.metrics.blobs. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from rich.text import Text

from bench.report import add_arguments, Measured, run_parts
from twinsight_tools.messages import ToolError

from . import blobs, end_to_end, latency, read_history

_EXAMPLES = """\
examples:
  tools/env .venv/bin/python -m bench.metrics --quick
  tools/env .venv/bin/python -m bench.metrics --json metrics.json
  tools/env .venv/bin/python -m bench.metrics.latency
"""


def _cdr_fields(quick: bool) -> Measured:
    """Run a part that prints by itself."""
    command = [sys.executable, '-m', 'bench.metrics.cdr_fields']
    command += ['--messages', '200'] if quick else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ToolError(f'cdr_fields failed: {done.stderr.strip()}')
    return Measured([Text(done.stdout.strip())], {'lines': done.stdout.splitlines()})


_PARTS = {
    'blobs': blobs.measure,
    'end_to_end': end_to_end.measure,
    'latency': latency.measure,
    'read_history': read_history.measure,
    'cdr_fields': _cdr_fields,
}


def main() -> int:
    """Measure all parts; return the exit code."""
    parser = argparse.ArgumentParser(
        prog='python -m bench.metrics', description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    options = parser.parse_args()
    return run_parts(_PARTS, options.quick, options.json)


if __name__ == '__main__':
    sys.exit(main())
