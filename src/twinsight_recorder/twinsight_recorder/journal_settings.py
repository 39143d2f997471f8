"""Where the recorder's messages wait on disk."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class JournalSettings(NamedTuple):
    """
    Where messages wait on disk, and how many.

    limit_bytes  0: nowhere
    keep_oldest  where it is full: keep what is there, and drop what comes
    """

    folder: Path
    limit_bytes: int
    keep_oldest: bool = False
