"""Where the chunks of a file lie, and what each of them must hold."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from hashlib import blake2b


class ChunkTable:
    """
    Compact arrays with an item a chunk, as a file may have a hundred thousand.

    offsets    where a chunk begins in the file
    starts_ns  receive time of its first message
    skips      how many messages of that time lie in the chunks before it
    counts     how many messages it has
    digests    what digest_of() makes of their heads
    known      how many channels the chunks before it have introduced
    """

    def __init__(self) -> None:
        self.offsets = array('Q')
        self.starts_ns = array('q')
        self.skips = array('Q')
        self.counts = array('Q')
        self.digests = array('Q')
        self.known = array('L')

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def size_bytes(self) -> int:
        """Return how much memory the arrays take, about."""
        arrays = (
            self.offsets, self.starts_ns, self.skips, self.counts, self.digests, self.known
        )
        return sum(each.itemsize * len(each) for each in arrays)

    def add(
        self, offset: int, start_ns: int, skip: int, count: int, digest: int, known: int
    ) -> None:
        """Append a chunk."""
        self.offsets.append(offset)
        self.starts_ns.append(start_ns)
        self.skips.append(skip)
        self.counts.append(count)
        self.digests.append(digest)
        self.known.append(known)

    def introduced(self, number: int) -> tuple[int, int | None]:
        """Return between which channels lie those that a chunk introduces; None for the last."""
        return self.known[number], self.known[number + 1] if number + 1 < len(self) else None

    def at(self, offset: int) -> int:
        """Return the number of the chunk, or its index, that a place in the file belongs to."""
        return max(0, bisect_right(self.offsets, offset) - 1)


def digest_of(heads: bytes) -> int:
    """
    Return a number that tells the messages of a chunk from others.

    heads  the records of the messages up to their data: channels, times, sequence numbers, sizes
    """
    return int.from_bytes(blake2b(heads, digest_size=8).digest(), 'little')
