"""
The front camera: a view into the hall, drawn column by column, and packed as JPEG.

The drawing is the classic ray caster (one horizontal ray a column, as in L. Vandevenne's
'Raycasting' tutorial), a whole picture at a time in numpy: floor and ceiling, then what reaches
the ceiling, then what is low.
"""

from __future__ import annotations

import io
import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from twinsight_sim import textures
from twinsight_sim.body import CAMERA_HEIGHT
from twinsight_sim.overlay import Overlay
from twinsight_sim.raycast import cast
from twinsight_sim.textures import COLUMNS, ROWS, SHADES, WIDTH
from twinsight_sim.world import CEILING, LOW_HEIGHT, Segments

FIELD_OF_VIEW = math.radians(75.0)
"""Of the width."""

QUALITY = 70
FAR = 4096.0
"""Metres, beyond every place on the floor that the picture shows."""


class Camera:
    """
    A pinhole camera of ``width`` × ``height`` pixels, level, ``CAMERA_HEIGHT`` m up.

    ``focal`` is the focal length in pixels, the same both ways; the principal point lies in the
    middle of the picture.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.focal = width / 2.0 / math.tan(FIELD_OF_VIEW / 2.0)
        self._leftward = -(np.arange(width) + 0.5 - width / 2.0) / self.focal
        self._slope = ((height / 2.0 - np.arange(height) - 0.5) / self.focal).astype(np.float32)
        self._table = textures.table()
        self._columns_per_metre = np.array(
            [COLUMNS / WIDTH[look] for look in range(len(WIDTH))])
        self._picture = np.empty((height, width), np.uint32)
        self._work = _Work.make(height, width)
        self._reach = np.empty((height // 2, width), np.float32)
        self._tile = np.empty((2, height // 2, width), np.int32)
        self._overlay = Overlay()
        self._horizon = height // 2
        self._floor_depth = CAMERA_HEIGHT / -self._slope[self._horizon:, None]
        floor_light = 0.25 + 0.75 / (1.0 + 0.12 * self._floor_depth)
        self._tiles = textures.pack(
            np.array([(128, 126, 122), (116, 115, 112)])[:, None] * floor_light)[..., None]
        ceiling_depth = (CEILING - CAMERA_HEIGHT) / self._slope[:self._horizon]
        ceiling = np.array((92, 96, 104)) * (0.2 + 0.8 / (1.0 + 0.1 * ceiling_depth[:, None]))
        ceiling[(ceiling_depth * 1.2).astype(int) % 4 == 0] += 30.0
        self._ceiling = textures.pack(ceiling)[:, None]
        Image.init()  # loads the JPEG plugin now, not when the first picture is due

    def picture(self, x: float, y: float, yaw: float, segments: Segments,
                text: str) -> np.ndarray:
        """
        Draw the view from a place (m) along ``yaw`` (rad) with one line of text on it.

        Return (height, width) uint32, bytes R, G, B, 0; the next call overwrites it.
        """
        c, s = math.cos(yaw), math.sin(yaw)
        directions = np.column_stack((c - s * self._leftward, s + c * self._leftward))
        seen = segments.facing(x, y)
        t, u = cast((x, y), directions, seen.ends)
        self._picture[:self._horizon] = self._ceiling
        self._draw_floor(x, y, directions)
        columns = np.arange(self.width)
        tall, low = np.flatnonzero(~seen.low), np.flatnonzero(seen.low)
        face = tall[t[:, tall].argmin(axis=1)]
        depth = t[columns, face]
        self._draw(CEILING, seen, columns, face, depth, u[columns, face])
        if low.size > 0:
            face = low[t[:, low].argmin(axis=1)]
            columns = np.flatnonzero(t[columns, face] < depth)
            face = face[columns]
            self._draw(LOW_HEIGHT, seen, columns, face, t[columns, face], u[columns, face])
        self._overlay.write(self._picture, text)
        return self._picture

    def jpeg(self, picture: np.ndarray) -> bytes:
        """Pack a (height, width) uint32 picture as JPEG."""
        out = io.BytesIO()
        image = Image.frombuffer('RGBX', (self.width, self.height), picture, 'raw', 'RGBX', 0, 1)
        image.save(out, 'JPEG', quality=QUALITY)
        return out.getvalue()

    def _draw_floor(self, x: float, y: float, directions: np.ndarray) -> None:
        """Lay square tiles of one metre, so that driving shows."""
        along = directions.T.astype(np.float32)
        # Shifted to above zero, where cutting off the fraction is the floor function.
        for out, way, shift in zip(self._tile, along, (x + FAR, y + FAR), strict=True):
            np.multiply(self._floor_depth, way, out=self._reach)
            self._reach += np.float32(shift)
            np.copyto(out, self._reach, casting='unsafe')
        tile = self._tile[0]
        tile ^= self._tile[1]
        tile &= 1
        floor = self._picture[self._horizon:]
        np.copyto(floor, self._tiles[0])
        np.copyto(floor, self._tiles[1], where=tile.astype(bool))

    def _draw(self, height: float, segments: Segments, columns: np.ndarray, face: np.ndarray,
              depth: np.ndarray, u: np.ndarray) -> None:
        """
        Draw one face a column, ``height`` m high, over what is there.

        ``columns`` (C,) are those of the picture, ``face`` (C,) the segment that each shows,
        ``depth`` (C,) its distance along the view (m), ``u`` (C,) the place on it, 0 … 1.
        """
        look = segments.look[face]
        shade = (segments.light[face] / (1.0 + 0.09 * depth) * (SHADES - 1)).astype(np.intp)
        place = (u * segments.length[face] * self._columns_per_metre[look]).astype(np.intp)
        base = ((look * SHADES + shade) * COLUMNS + place % COLUMNS) * ROWS
        rows, texels, mask, colours = self._work.part(columns.size)
        np.multiply.outer(self._slope, (ROWS / height * depth).astype(np.float32), out=rows)
        rows += np.float32(CAMERA_HEIGHT * ROWS / height)
        np.copyto(texels, rows, casting='unsafe')
        texels += base
        np.greater_equal(rows, 0.0, out=mask)
        mask &= rows < ROWS
        self._table.take(texels, out=colours, mode='clip')
        if columns.size == self.width:
            np.copyto(self._picture, colours, where=mask)
        else:
            before = self._picture[:, columns]
            self._picture[:, columns] = np.where(mask, colours, before)


class _Work(NamedTuple):
    """
    Memory for a picture in the making, each (height, columns).

    Kept from picture to picture: arrays of this size, made anew, come as fresh pages from the
    system each time, which costs more than the drawing.
    """

    rows: np.ndarray
    texels: np.ndarray
    mask: np.ndarray
    colours: np.ndarray

    @classmethod
    def make(cls, height: int, width: int) -> _Work:
        """Take memory for whole pictures."""
        kinds = (np.float32, np.intp, bool, np.uint32)
        return cls(*(np.empty((height, width), kind) for kind in kinds))

    def part(self, columns: int) -> _Work:
        """Return memory for so many columns, without gaps in between."""
        height = self.rows.shape[0]
        return _Work(*(whole.reshape(-1)[:height * columns].reshape(height, columns)
                       for whole in self))
