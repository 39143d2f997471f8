"""Settings of a process that plays, so that nothing in it holds up the thread that publishes."""

from __future__ import annotations

import gc
import sys

from twinsight_store.freed_memory import keep_freed_memory

_SWITCH_INTERVAL_S = 0.000_5
_COLLECTIONS = 50_000, 20, 1000


def tune_process() -> None:
    """
    Tune it at its start.

    Another thread gives way within half a millisecond, and big messages take no fresh memory of
    the system, which is more than half of the time of publishing one.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    keep_freed_memory()


def spare_collections() -> None:
    """
    Collect garbage now, and seldom from now on.

    A full collection takes as long as a hundred messages, and what is played is not held by
    cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)
