"""What rays in the hall meet first: the work is done by raycast.c, this calls it."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
import math
from typing import Any

import numpy as np

from twinsight_sim.world import FACE_COLUMNS


class _Eye(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in ('x', 'y', 'cosine', 'sine')]


class _View(ctypes.Structure):
    _fields_ = [
        ('width', ctypes.c_int32), ('height', ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in (
            'rays', 'slopes', 'floor_depths', 'floor_tiles', 'ceiling')),
        *((name, ctypes.c_int32) for name in ('columns', 'rows')),
        *((name, ctypes.c_void_p) for name in ('columns_per_metre', 'texels')),
        *((name, ctypes.c_double) for name in ('eye_height', 'tall_height', 'low_height')),
    ]


def _library() -> ctypes.CDLL:
    found = find_spec('twinsight_sim._raycast')
    if found is None or found.origin is None:
        raise ImportError('twinsight_sim is not built: build the workspace (make build)')
    library = ctypes.CDLL(found.origin)
    pointer, count, eye = ctypes.c_void_p, ctypes.c_int32, ctypes.POINTER(_Eye)
    library.measure.argtypes = [pointer, count, eye, pointer, count, pointer]
    library.measure.restype = None
    library.draw.argtypes = [ctypes.POINTER(_View), pointer, count, eye, pointer]
    library.draw.restype = None
    return library


_LIBRARY = _library()
_STRIP = ctypes.c_int32.in_dll(_LIBRARY, 'strip_columns').value
"""Columns of a picture that are drawn together."""


def measure(faces: np.ndarray, x: float, y: float, yaw: float, rays: np.ndarray) -> np.ndarray:
    """
    Return how far each ray goes before it meets a face, low or tall.

    :param faces: (S, 8) float64, as ``World.faces``
    :param x, y: where all rays start, metres in ``map``
    :param yaw: of the frame of the rays in ``map``, rad
    :param rays: (R, 2) float64 directions, of any length
    :returns: (R,) float64 in lengths of the ray, infinite where it meets nothing
    """
    rays = _of(rays, np.float64, (len(rays), 2))
    distances = np.empty(len(rays))
    _LIBRARY.measure(_faces(faces), len(faces), _eye(x, y, yaw), rays.ctypes.data, len(rays),
                     distances.ctypes.data)
    return distances


class View:
    """
    Draws pictures of one size, H rows of W columns, a multiple of 16, uint32 each.

    :param rays: (W, 2) float64, the direction of each column, 1 m forward
    :param slopes: (H,) float32, how far each row looks up, m per m
    :param floor: (H/2, 2) uint32, the two colours of floor tiles in each row below the horizon
    :param ceiling: (H/2,) uint32, the colour of each row above the horizon
    :param texels: (looks, columns, rows) uint32, what is painted on faces, from the floor up
    :param columns_per_metre: (looks,) float64
    :param heights: metres of the eye, of tall faces, of low ones
    """

    def __init__(self, *, rays: np.ndarray, slopes: np.ndarray, floor: np.ndarray,
                 ceiling: np.ndarray, texels: np.ndarray, columns_per_metre: np.ndarray,
                 heights: tuple[float, float, float]) -> None:
        width, height = len(rays), len(slopes)
        if width % _STRIP:
            raise ValueError(f'{width} columns: not a multiple of {_STRIP}')
        below = height - height // 2
        looks, columns, rows = texels.shape
        floor_depths = (heights[0] / -slopes[height // 2:]).astype(np.float32)
        self._kept = {
            'rays': _of(rays, np.float64, (width, 2)),
            'slopes': _of(slopes, np.float32, (height,)),
            'floor_depths': floor_depths,
            'floor_tiles': _of(floor, np.uint32, (below, 2)),
            'ceiling': _of(ceiling, np.uint32, (height // 2,)),
            'columns_per_metre': _of(columns_per_metre, np.float64, (looks,)),
            'texels': _of(texels, np.uint32, (looks, columns, rows)),
        }
        self._view = _View(
            width=width, height=height, columns=columns, rows=rows,
            eye_height=heights[0], tall_height=heights[1], low_height=heights[2],
            **{name: array.ctypes.data for name, array in self._kept.items()})
        self._picture = np.empty((height, width), np.uint32)
        self._to = self._picture.ctypes.data

    def draw(self, faces: np.ndarray, x: float, y: float, yaw: float) -> np.ndarray:
        """
        Draw what is seen from a place (m) along ``yaw`` (rad); ``faces`` as for ``measure``.

        Return (H, W) uint32; the next call overwrites it.
        """
        _LIBRARY.draw(self._view, _faces(faces), len(faces), _eye(x, y, yaw), self._to)
        return self._picture


def _faces(faces: np.ndarray) -> int:
    return _of(faces, np.float64, (len(faces), FACE_COLUMNS)).ctypes.data


def _of(array: np.ndarray, kind: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return an array that C may read; ValueError where it may not."""
    if array.dtype != kind or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f'{array.shape} {array.dtype}: not a whole {shape} {np.dtype(kind)}')
    return array


def _eye(x: float, y: float, yaw: float) -> _Eye:
    return _Eye(x, y, math.cos(yaw), math.sin(yaw))
