"""The front camera: a view into the hall, with a line of text, packed as JPEG."""

from __future__ import annotations

import math

import numpy as np
from simplejpeg import encode_jpeg

from twinsight_sim import textures
from twinsight_sim.body import CAMERA_HEIGHT
from twinsight_sim.overlay import Overlay
from twinsight_sim.raycast import View
from twinsight_sim.world import CEILING, LOW_HEIGHT

FIELD_OF_VIEW = math.radians(75.0)
"""Of the width."""

QUALITY = 70


class Camera:
    """
    A pinhole camera of ``width`` × ``height`` pixels, level, ``CAMERA_HEIGHT`` m up.

    ``focal`` is the focal length in pixels, the same both ways; the principal point lies in the
    middle of the picture.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.focal = width / 2.0 / math.tan(FIELD_OF_VIEW / 2.0)
        leftward = (width / 2.0 - np.arange(width) - 0.5) / self.focal
        slopes = (height / 2.0 - np.arange(height) - 0.5) / self.focal
        self._view = View(
            rays=np.column_stack((np.ones(width), leftward)),
            slopes=slopes.astype(np.float32),
            floor=_floor(CAMERA_HEIGHT / -slopes[height // 2:]),
            ceiling=_ceiling((CEILING - CAMERA_HEIGHT) / slopes[:height // 2]),
            texels=textures.table(),
            columns_per_metre=textures.columns_per_metre(),
            heights=(CAMERA_HEIGHT, CEILING, LOW_HEIGHT))
        self._overlay = Overlay()

    def picture(self, x: float, y: float, yaw: float, faces: np.ndarray,
                text: str) -> np.ndarray:
        """
        Draw the view from a place (m) along ``yaw`` (rad) with one line of text on it.

        Return (height, width) uint32, bytes R, G, B, 0; the next call overwrites it.
        """
        picture = self._view.draw(faces, x, y, yaw)
        self._overlay.write(picture, text)
        return picture

    def jpeg(self, picture: np.ndarray) -> bytes:
        """Pack a (height, width) uint32 picture as JPEG."""
        pixels = picture.view(np.uint8).reshape(self.height, self.width, 4)
        return encode_jpeg(pixels, QUALITY, 'RGBX', '420')


def _floor(depths: np.ndarray) -> np.ndarray:
    """Return the colours (rows, 2) of even and odd tiles at these depths (m)."""
    light = 0.25 + 0.75 / (1.0 + 0.12 * depths)
    return textures.pack(np.array([(128, 126, 122), (116, 115, 112)]) * light[:, None, None])


def _ceiling(depths: np.ndarray) -> np.ndarray:
    """Return the colours (rows,) of the ceiling at these depths (m), with a lamp now and then."""
    colours = np.array((92, 96, 104)) * (0.2 + 0.8 / (1.0 + 0.1 * depths))[:, None]
    colours[(depths * 1.2).astype(int) % 4 == 0] += 30.0
    return textures.pack(colours)
