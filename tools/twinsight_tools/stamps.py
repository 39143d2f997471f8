"""Stamps: a hash of a step's inputs, written after the step succeeded."""

from __future__ import annotations

from collections.abc import Iterable
import hashlib
from pathlib import Path


def digest(parts: Iterable[str | bytes | Path]) -> str:
    """Hash texts and the contents of files; a missing file counts as such."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            data = part.read_bytes() if part.is_file() else b'\0missing'
        else:
            data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, 'little') + data)
    return total.hexdigest()


def matches(stamp: Path, value: str) -> bool:
    try:
        return stamp.read_text() == value
    except OSError:
        return False
