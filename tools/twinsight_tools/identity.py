"""Recognises a process: its id may be reused, its id and start time together are not."""

from __future__ import annotations

from pathlib import Path


def start_time(pid: int) -> int | None:
    """Read when a process started, in clock ticks since boot; None for a gone one or a zombie."""
    try:
        stat = Path(f'/proc/{pid}/stat').read_bytes()
    except OSError:
        return None
    # The second field, the name in parentheses, may hold blanks and parentheses itself.
    state, *rest = stat[stat.rindex(b')') + 2 :].split()
    return None if state in (b'Z', b'X') else int(rest[18])


def same(pid: int, started: int) -> bool:
    """Tell whether the process that had this id and start time still runs."""
    return start_time(pid) == started
