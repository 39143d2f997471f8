"""Images of all encodings as JPEG."""

import io

import numpy as np
from PIL import Image
import pytest

from twinsight_bridge.web.errors import NotShownError
from twinsight_bridge.web.message_image import jpeg
from twinsight_store.channel import Channel
from twinsight_store.errors import RecordError
from twinsight_store.message import Message

# Orange on the left, blue on the right: no two channels are alike, nor the halves.
ORANGE, BLUE = (200, 100, 0), (0, 0, 200)


def picture(left=ORANGE, right=BLUE, dtype=np.uint8):
    pixels = np.zeros((16, 32, len(left)), dtype)
    pixels[:, :16], pixels[:, 16:] = left, right
    return pixels


def halves(data):
    """Return the colours of a JPEG's halves, far from their edge."""
    image = Image.open(io.BytesIO(data)).convert('RGB')
    assert image.size == (32, 16)
    return image.getpixel((3, 8)), image.getpixel((28, 8))


def near(found, *wanted):
    return np.abs(np.array(found, int) - np.array(wanted)).max() <= 12


@pytest.fixture
def show(site):
    """Return a function that makes a JPEG of a message of sensor_msgs."""

    def make(message, quality=95, width=None):
        channel = Channel(
            '/camera', message.__msgtype__, 'ros2msg', site.definition(message.__msgtype__)
        )
        return jpeg(Message(channel, 0, 0, 0, site.cdr(message), {}), quality, width)

    return make


@pytest.mark.parametrize(('encoding', 'channels'), [
    ('rgb8', (0, 1, 2)), ('bgr8', (2, 1, 0)), ('8UC3', (2, 1, 0)),
    ('rgba8', (0, 1, 2, 0)), ('bgra8', (2, 1, 0, 0)),
])
def test_colours_keep_their_places(show, make_image, encoding, channels):
    pixels = np.ascontiguousarray(picture()[..., list(channels)])
    for padding in (0, 5):
        assert near(halves(show(make_image(0, encoding, pixels, padding=padding))), ORANGE, BLUE)


@pytest.mark.parametrize('big_endian', [False, True])
def test_sixteen_bits_become_the_upper_eight(show, make_image, big_endian):
    order = '>' if big_endian else '<'
    pixels = picture((200 * 256 + 7,), (50 * 256,), f'{order}u2')
    found = halves(show(make_image(0, 'mono16', pixels, big_endian)))
    assert near(found, (200,) * 3, (50,) * 3)


@pytest.mark.parametrize(('encoding', 'dtype'), [('16UC1', '<u2'), ('32FC1', '<f4')])
def test_depth_is_stretched_and_what_was_not_measured_is_black(
    show, make_image, encoding, dtype
):
    pixels = picture((1,), (3,), dtype)
    pixels[0, 0] = 0
    if encoding == '32FC1':
        pixels[0, 1], pixels[0, 2] = np.nan, np.inf
    assert near(halves(show(make_image(0, encoding, pixels))), (0,) * 3, (255,) * 3)


@pytest.mark.parametrize(('encoding', 'rows'), [
    ('bayer_rggb8', 'rggb'), ('bayer_bggr8', 'bggr'), ('bayer_gbrg8', 'gbrg'),
    ('bayer_grbg8', 'grbg'),
])
def test_bayer_patterns_give_colours(show, make_image, encoding, rows):
    full = np.repeat(np.repeat(picture(), 2, 0), 2, 1)
    pixels = np.zeros(full.shape[:2], np.uint8)
    for place, colour in enumerate(rows):
        row, column = divmod(place, 2)
        pixels[row::2, column::2] = full[row::2, column::2, 'rgb'.index(colour)]
    assert near(halves(show(make_image(0, encoding, pixels[..., None]))), ORANGE, BLUE)


@pytest.mark.parametrize(('encoding', 'luma'), [('uyvy', 1), ('yuv422_yuy2', 0)])
def test_yuv_gives_colours(show, make_image, encoding, luma):
    full = np.asarray(Image.fromarray(picture()).convert('YCbCr'))
    pixels = np.zeros((16, 32, 2), np.uint8)
    pixels[..., luma] = full[..., 0]
    pixels[:, ::2, 1 - luma], pixels[:, 1::2, 1 - luma] = full[:, ::2, 1], full[:, ::2, 2]
    assert near(halves(show(make_image(0, encoding, pixels))), ORANGE, BLUE)


def test_a_jpeg_comes_as_it_is_unless_it_is_too_wide(show, compressed):
    message = compressed(picture(), 'jpeg')
    assert show(message) == bytes(message.data)
    assert Image.open(io.BytesIO(show(message, width=16))).size == (16, 8)


def test_other_compressed_images_become_jpeg(show, compressed):
    assert near(halves(show(compressed(picture()))), ORANGE, BLUE)
    depth = picture((1000,), (3000,), np.uint16)[..., 0]
    found = halves(show(compressed(depth, head=bytes(12))))
    assert near(found, (0,) * 3, (255,) * 3)


def test_what_cannot_be_shown_says_why(show, make_image, compressed):
    with pytest.raises(NotShownError, match=r"encoding 'nv21' are not shown: accepted are rgb8"):
        show(make_image(0, 'nv21', picture()))
    cut = make_image(0, 'rgb8', picture())
    cut.height = 17
    with pytest.raises(RecordError, match='1536 bytes for 32 x 17 of rgb8, 96 bytes a row'):
        show(cut)
    broken = compressed(picture())
    broken.data = broken.data[:40]
    with pytest.raises(RecordError, match='/camera: its image cannot be read'):
        show(broken)
