"""What was seen of a message at one place: as sent, as stored, or as replayed."""

from __future__ import annotations

from collections.abc import Iterable
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

_ALIGNMENT = 4


class Sighting(NamedTuple):
    """
    A message at one place.

    time_ns  when it was published, or received by the recorder (Unix ns)
    size     bytes
    digest   BLAKE2b of its bytes, see digest_of()
    """

    topic: str
    time_ns: int
    size: int
    digest: str


def digest_of(data: bytes) -> str:
    """
    Return the 16-byte BLAKE2b of a message, padded with zeros to a multiple of four bytes.

    So does every DDS with a message on the wire (OMG DDSI-RTPS 9.4.2.13).
    """
    padding = bytes(-len(data) % _ALIGNMENT)
    return hashlib.blake2b(data + padding, digest_size=16).hexdigest()


def write(path: Path, sightings: Iterable[Sighting]) -> None:
    """Write one JSON list a line."""
    with path.open('w') as file:
        for sighting in sightings:
            file.write(json.dumps(sighting) + '\n')


def read(path: Path) -> list[Sighting]:
    """Return what write() wrote."""
    with path.open() as file:
        return [Sighting(*json.loads(line)) for line in file]


def read_ledger(path: Path) -> list[Sighting]:
    """Return what the simulated robot says that it published."""
    with path.open() as file:
        entries = [json.loads(line) for line in file]
    return [
        Sighting(entry['topic'], entry['publish_ns'], entry['size'], entry['digest'])
        for entry in entries
        if 'digest' in entry
    ]
