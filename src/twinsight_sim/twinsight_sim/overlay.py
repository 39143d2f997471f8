"""One line of text on a picture, from a sheet of glyphs drawn once."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 6, 12
FIRST, LAST = 32, 126


class Overlay:
    """Writes white text on a darkened strip at the top left."""

    def __init__(self) -> None:
        load = getattr(ImageFont, 'load_default_imagefont', ImageFont.load_default)
        font = load()
        sheet = np.zeros((HEIGHT, LAST - FIRST + 1, WIDTH), np.uint32)
        for code in range(FIRST, LAST + 1):
            cell = Image.new('1', (WIDTH, HEIGHT))
            ImageDraw.Draw(cell).text((0, 1), chr(code), fill=1, font=font)
            sheet[:, code - FIRST] = np.asarray(cell) * np.uint32(0x00FFFFFF)
        self._sheet = sheet

    def write(self, picture: np.ndarray, text: str) -> None:
        """Write ASCII text into a (rows, columns) uint32 picture; what does not fit is cut."""
        room = (picture.shape[1] - 4) // WIDTH
        codes = np.frombuffer(text[:room].encode('ascii', 'replace'), np.uint8) - FIRST
        glyphs = self._sheet.take(codes, axis=1).reshape(HEIGHT, -1)
        strip = picture[2:2 + HEIGHT, 4:4 + glyphs.shape[1]]
        strip >>= 2
        strip &= 0x003F3F3F
        strip |= glyphs
