"""What the camera sees on a face: small painted pictures."""

from __future__ import annotations

import numpy as np

from twinsight_sim.world import DOCK, PALLET, RACKS, WALL

COLUMNS, ROWS = 160, 80
"""Size of every picture; row 0 is at the floor, the last at the top of the box."""

WIDTH = {RACKS[0]: 5.5, RACKS[1]: 5.5, RACKS[2]: 5.5, WALL: 8.0, DOCK: 0.9, PALLET: 0.8}
"""Metres that a picture spans, by the look of the box; then it repeats."""


def table() -> np.ndarray:
    """
    Return the colours of all looks in full light, (looks, ``COLUMNS``, ``ROWS``) uint32.

    The bytes are R, G, B, 0.
    """
    pictures = {**{look: _rack(look) for look in RACKS},
                WALL: _wall(), DOCK: _dock(), PALLET: _pallet()}
    return np.stack([pack(pictures[look]) for look in sorted(pictures)])


def columns_per_metre() -> np.ndarray:
    """Return (looks,) float64: how many columns of its picture a metre of a face shows."""
    return np.array([COLUMNS / WIDTH[look] for look in sorted(WIDTH)])


def pack(rgb: np.ndarray) -> np.ndarray:
    """Return (…) uint32 of (…, 3) colours from 0 to 255, bytes in the order R, G, B, 0."""
    whole = np.zeros((*rgb.shape[:-1], 4), np.uint8)
    whole[..., :3] = np.clip(rgb, 0, 255).astype(np.uint8)
    return whole.view(np.uint32)[..., 0]


def _plain(rgb: tuple[int, int, int]) -> np.ndarray:
    return np.full((COLUMNS, ROWS, 3), rgb, float)


def _rack(number: int) -> np.ndarray:
    """Paint uprights and beams in the rack's colour, cartons and bins on five levels."""
    bay, level = 40, 16
    steel = ((235, 120, 30), (40, 100, 200), (40, 160, 90))[number]
    goods = np.array([(186, 140, 92), (160, 112, 70), (205, 170, 120), (60, 110, 170),
                      (190, 60, 50), (70, 140, 80), (215, 190, 60), (150, 150, 155)])
    draw = np.random.default_rng(number)
    picture = _plain((46, 44, 48))
    for bottom in range(0, ROWS, level):
        column = 2
        while column < COLUMNS - 4:
            wide, high = int(draw.integers(6, 13)), int(draw.integers(7, 13))
            carton = goods[draw.integers(len(goods))] * draw.uniform(0.8, 1.05)
            place = picture[column:column + wide, bottom + 2:bottom + 2 + high]
            place[:] = carton
            place[:, high // 2] = carton * 0.8
            column += wide + int(draw.integers(1, 4))
        picture[:, bottom:bottom + 2] = steel
    for column in range(0, COLUMNS, bay):
        picture[column:column + 3] = steel
    picture[:, 0] = (225, 200, 40)
    return picture


def _wall() -> np.ndarray:
    """Paint light concrete panels with a skirting, a blue band and a grey roller door."""
    picture = _plain((196, 196, 190))
    for seam in range(0, COLUMNS, 40):
        picture[seam:seam + 2] = (150, 150, 146)
    picture[:, :5] = (90, 90, 94)
    picture[:, 36:41] = (60, 100, 170)
    picture[88:120, :56] = (120, 126, 132)
    picture[88:120, 3:56:6] = (102, 108, 114)
    return picture


def _dock() -> np.ndarray:
    picture = _plain((214, 218, 222))
    picture[50:110, 50:64] = (40, 200, 90)
    picture[:, :10] = (60, 60, 64)
    return picture


def _pallet() -> np.ndarray:
    """Paint red and white stripes on a wooden foot."""
    across, up = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS), indexing='ij')
    picture = _plain((214, 40, 34))
    picture[(across // 2 + up) // 16 % 2 == 0] = (240, 236, 228)
    picture[:, :10] = (150, 105, 60)
    return picture
