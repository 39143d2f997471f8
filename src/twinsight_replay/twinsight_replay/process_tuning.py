"""Settings of a process that plays, so that nothing in it holds up the thread that publishes."""

from __future__ import annotations

import ctypes
import gc
import sys

_SWITCH_INTERVAL_S = 0.000_5
_COLLECTIONS = 50_000, 20, 1000
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_LARGEST_MMAP_THRESHOLD = 32 << 20
_KEPT_BYTES = 64 << 20


def tune_process() -> None:
    """
    Tune it at its start.

    Another thread gives way within half a millisecond. Of what is freed malloc keeps 64 MB:
    otherwise each copy of a message of a megabyte takes fresh memory of the system, page by
    page, and gives it back, which is more than half of the time of publishing it.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)  # glibc has it
    if mallopt:
        mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


def spare_collections() -> None:
    """
    Collect garbage now, and seldom from now on.

    A full collection takes as long as a hundred messages, and what is played is not held by
    cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)
