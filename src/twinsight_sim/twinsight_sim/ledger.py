"""The ledger: a line for every message that was published, so that a copy can be checked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TextIO


def digest(data: bytes) -> str:
    """Return the 16-byte BLAKE2b of exact message bytes, in hexadecimal."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Ledger:
    """
    Counts what is published and, given a path, lists it in a file of JSON lines.

    Each line has ``topic``, ``type``, ``publish_ns`` (Unix time, ns, read just before the message
    was handed to the middleware), ``size`` (bytes) and ``digest``. The last line has ``totals``
    (topic → type, count, bytes) and what the caller adds. OSError where the file cannot be
    written.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: TextIO | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open('w', encoding='utf-8', buffering=1 << 16)
        self._totals: dict[str, list[Any]] = {}

    @property
    def messages(self) -> int:
        """How many messages were published."""
        return sum(count for _, count, _ in self._totals.values())

    @property
    def topics(self) -> int:
        """On how many topics."""
        return len(self._totals)

    def add(self, topic: str, type_name: str, publish_ns: int, data: bytes) -> None:
        """Enter one published message; names of topics and types need no JSON escapes."""
        total = self._totals.setdefault(topic, [type_name, 0, 0])
        total[1] += 1
        total[2] += len(data)
        if self._file is not None:
            self._file.write(
                f'{{"topic": "{topic}", "type": "{type_name}", "publish_ns": {publish_ns}, '
                f'"size": {len(data)}, "digest": "{digest(data)}"}}\n')

    def close(self, **facts: int) -> None:
        """Write the last line and close the file; a second call does nothing."""
        if self._file is None:
            return
        totals = {topic: {'type': kind, 'count': count, 'bytes': size}
                  for topic, (kind, count, size) in sorted(self._totals.items())}
        self._file.write(json.dumps({'totals': totals, 'messages': self.messages, **facts}) + '\n')
        self._file.close()
        self._file = None
