"""
The process that only waits: what the machine's clock gives to a player that plays nothing.

It waits for the due times of a recording's messages as a player does, while nothing else of the
benchmark runs, and prints how late it was as one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time

from twinsight_replay.clock import MonotonicClock
from twinsight_replay.timing_error import TimingError
from twinsight_replay.wakeup import Wakeup

_LEAD_NS = 100_000_000


def main() -> int:
    """Wait for times, given as JSON in nanoseconds from the first; return the exit code."""
    clock, wakeup, late = MonotonicClock(), Wakeup(), TimingError()
    due_in_ns = json.loads(sys.stdin.readline())
    start_ns = time.monotonic_ns() + _LEAD_NS
    for in_ns in due_in_ns:
        clock.wait_until(start_ns + in_ns, wakeup)
        late.add(clock.now_ns() - start_ns - in_ns)
    print(json.dumps({
        'late_p50_ns': late.quantile_ns(0.5), 'late_p99_ns': late.quantile_ns(0.99),
        'late_max_ns': late.max_ns,
    }), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
