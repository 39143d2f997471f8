"""What is seen on a screenshot, in numbers."""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image


class Box(NamedTuple):
    """A part of a page, pixels."""

    left: int
    top: int
    width: int
    height: int


class Picture:
    """``pixels``: (height, width, 3) uint8."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    @classmethod
    def from_file(cls, data: bytes) -> Picture:
        """Read an image of any format that Pillow knows."""
        return cls(np.asarray(Image.open(BytesIO(data)).convert('RGB')))

    def part(self, box: Box) -> Picture:
        """Return what lies in a box."""
        rows = slice(box.top, box.top + box.height)
        return Picture(self.pixels[rows, box.left:box.left + box.width])

    @property
    def colours(self) -> int:
        """How many different ones there are."""
        return int(np.unique(self._packed()).size)

    @property
    def background(self) -> float:
        """Share of the pixels that have the most frequent colour; 1.0 is blank."""
        counts = np.unique(self._packed(), return_counts=True)[1]
        return float(counts.max() / counts.sum()) if counts.size else 1.0

    def difference(self, other: Picture) -> float:
        """Return the share of the pixels that are not the same in both pictures."""
        if self.pixels.shape != other.pixels.shape:
            return 1.0
        return float((self.pixels != other.pixels).any(axis=2).mean())

    def share_of(self, red: int, green: int, blue: int, tolerance: int = 24) -> float:
        """Return the share of the pixels that have about this colour."""
        distance = np.abs(self.pixels.astype(int) - (red, green, blue)).max(axis=2)
        return float((distance <= tolerance).mean())

    def save(self, path: object) -> None:
        """Write it as a file, for people."""
        Image.fromarray(self.pixels).save(str(path))

    def _packed(self) -> np.ndarray:
        return self.pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
