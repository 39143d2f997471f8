"""Images of cameras as JPEG."""

from __future__ import annotations

from collections.abc import Callable
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from twinsight_bridge.web.errors import NotShownError
from twinsight_store.errors import RecordError
from twinsight_store.message import Message

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
IMAGE_TYPES = (IMAGE, COMPRESSED)

_JPEG = b'\xff\xd8\xff'
_DEPTH_HEAD_SIZE = 12  # of compressed_depth_image_transport, before the PNG
_LARGEST_SIDE = 65_500

Pixels = npt.NDArray[Any]


def jpeg(message: Message, quality: int, width: int | None) -> bytes:
    """
    Return an image message as JPEG.

    quality  1 to 100; one that is a JPEG already, and no wider, comes as it is
    width    of the result at most, in pixels; None for the image's own

    16 bits of intensity become the upper 8. Depth (16UC1, 32FC1) is stretched from the least to
    the greatest value that there is, near is dark. Raises NotShownError where the message is no
    image, or its encoding is none that we know, and RecordError where it is broken.
    """
    if message.type_name not in IMAGE_TYPES:
        raise NotShownError(
            f'{message.topic} is {message.type_name}: images are of {" and ".join(IMAGE_TYPES)}'
        )
    found = message.decoded()
    try:
        if message.type_name == IMAGE:
            image = _raw(found)
        else:
            data = bytes(found.data)
            image = _compressed(data, found.format)
            if data.startswith(_JPEG) and (width is None or image.width <= width):
                return data
        return _encoded(image, quality, width)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise RecordError(f'{message.topic}: its image cannot be read ({error})') from error


def _encoded(image: Image.Image, quality: int, width: int | None) -> bytes:
    if max(image.size) > _LARGEST_SIDE:
        raise NotShownError(f'an image of {image.width} x {image.height} fits into no JPEG')
    if width is not None and image.width > width:
        image = image.resize((width, max(1, image.height * width // image.width)))
    encoded = io.BytesIO()
    image.save(encoded, 'JPEG', quality=quality)
    return encoded.getvalue()


def _compressed(data: bytes, kind: str) -> Image.Image:
    if 'compressedDepth' in kind:
        data = data[_DEPTH_HEAD_SIZE:]
    image = Image.open(io.BytesIO(data))
    if data.startswith(_JPEG):
        return image
    if image.mode.startswith('I'):
        return Image.fromarray(_stretched(np.asarray(image)))
    return image.convert('RGB')


def _raw(found: Any) -> Image.Image:
    known = _ENCODINGS.get(found.encoding)
    if known is None:
        raise NotShownError(
            f'images of encoding {found.encoding!r} are not shown: accepted are '
            f'{", ".join(_ENCODINGS)}'
        )
    dtype, channels, convert = known
    pixel = np.dtype(dtype).newbyteorder('>' if found.is_bigendian else '<')
    wanted = found.width * channels * pixel.itemsize
    if found.step < wanted or len(found.data) < found.step * found.height or not wanted:
        raise ValueError(
            f'{len(found.data)} bytes for {found.width} x {found.height} of {found.encoding}, '
            f'{found.step} bytes a row'
        )
    rows = found.data[:found.step * found.height].reshape(found.height, found.step)
    pixels = np.ascontiguousarray(rows[:, :wanted]).view(pixel)
    if channels > 1:
        pixels = pixels.reshape(found.height, found.width, channels)
    return convert(pixels)


def _as_it_is(pixels: Pixels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels[..., :3] if pixels.ndim > 2 else pixels))


def _reversed(pixels: Pixels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels[..., 2::-1]))


def _upper_bits(pixels: Pixels) -> Image.Image:
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def _upper_bits_reversed(pixels: Pixels) -> Image.Image:
    return _reversed((pixels >> 8).astype(np.uint8))


def _depth(pixels: Pixels) -> Image.Image:
    return Image.fromarray(_stretched(pixels))


def _stretched(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Return values from the least to the greatest as 0 to 255; 0 where nothing was measured."""
    values = pixels.astype(np.float64)
    measured = np.isfinite(values) & (values != 0)
    if not measured.any():
        return np.zeros(values.shape, np.uint8)
    least, greatest = values[measured].min(), values[measured].max()
    scaled = (np.where(measured, values, least) - least) * (255 / max(greatest - least, 1e-9))
    return np.where(measured, scaled, 0).astype(np.uint8)


def _bayer(red: int, blue: int) -> Callable[[Pixels], Image.Image]:
    """Return what makes one pixel of each two by two; red and blue are places 0 to 3 in these."""

    def convert(pixels: Pixels) -> Image.Image:
        height, width = (side // 2 * 2 for side in pixels.shape)
        places = [pixels[row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]
        first, second = (place for each, place in enumerate(places) if each not in (red, blue))
        green = ((first.astype(np.uint16) + second) // 2).astype(np.uint8)
        return Image.fromarray(np.dstack((places[red], green, places[blue])))

    return convert


def _yuv(luma: int) -> Callable[[Pixels], Image.Image]:
    """Return what reads 4:2:2 of two bytes a pixel; ``luma`` is the place of Y in them."""

    def convert(pixels: Pixels) -> Image.Image:
        height, width = pixels.shape[0], pixels.shape[1] // 2 * 2
        chroma = pixels[:, :width, 1 - luma].reshape(height, -1, 2).repeat(2, axis=1)
        planes = (pixels[:, :width, luma], chroma[..., 0], chroma[..., 1])
        return Image.merge('YCbCr', [
            Image.fromarray(np.ascontiguousarray(plane)) for plane in planes
        ])

    return convert


_ENCODINGS: dict[str, tuple[str, int, Callable[[Pixels], Image.Image]]] = {
    'rgb8': ('u1', 3, _as_it_is),
    'bgr8': ('u1', 3, _reversed),
    'rgba8': ('u1', 4, _as_it_is),
    'bgra8': ('u1', 4, _reversed),
    'mono8': ('u1', 1, _as_it_is),
    '8UC1': ('u1', 1, _as_it_is),
    '8UC3': ('u1', 3, _reversed),
    '8UC4': ('u1', 4, _reversed),
    'mono16': ('u2', 1, _upper_bits),
    'bgr16': ('u2', 3, _upper_bits_reversed),
    '16UC1': ('u2', 1, _depth),
    '32FC1': ('f4', 1, _depth),
    'bayer_rggb8': ('u1', 1, _bayer(0, 3)),
    'bayer_bggr8': ('u1', 1, _bayer(3, 0)),
    'bayer_gbrg8': ('u1', 1, _bayer(2, 1)),
    'bayer_grbg8': ('u1', 1, _bayer(1, 2)),
    'yuv422': ('u1', 2, _yuv(1)),
    'uyvy': ('u1', 2, _yuv(1)),
    'yuv422_yuy2': ('u1', 2, _yuv(0)),
    'yuyv': ('u1', 2, _yuv(0)),
}
"""Encoding of sensor_msgs → type and number of a pixel's values, and what makes an image."""
