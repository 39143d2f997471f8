"""Telling the C library to keep the memory of big messages for the next ones."""

from __future__ import annotations

from contextlib import suppress
import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_LARGEST_KEPT = 32 * 1024 * 1024
_FREE_KEPT = 64 * 1024 * 1024


def keep_freed_memory() -> None:
    """
    Let blocks of up to 32 MB come from the heap, and let up to 64 MB of it stay when free.

    By default glibc maps each big block anew and unmaps it when it is freed: receiving a message
    of 1 MB then costs several hundred page faults, more than copying it. Does nothing where the
    C library is another one.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, _FREE_KEPT)
        mallopt(_M_TOP_PAD, _LARGEST_KEPT)
