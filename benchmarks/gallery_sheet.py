"""One sheet: pictures of one size in a grid, each with its caption under it, as a WebP file that is not too large."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

LARGEST = 250_000  # bytes
QUALITIES = range(92, 40, -4)
SHAPE = 1.1  # width / height that a sheet should have, about
MARGIN, GAP, ROW_GAP = 40, 20, 26  # pixels
TITLE_SIZE, SAID_SIZE, CAPTION_SIZE, LINE = 34, 18, 17, 22
PAPER, INK, FAINT, RULE = "#ffffff", "#222222", "#767676", "#dddddd"


class Picture(NamedTuple):
    """Pixels (H, W, 3) uint8 and the caption."""

    pixels: np.ndarray[Any, np.dtype[np.uint8]]
    caption: str


def webp(pictures: Sequence[Picture], title: str, said: str) -> bytes:
    """A sheet as a WebP file of at most LARGEST bytes, in the best quality that allows it.

    Raises:
        ValueError: not even the worst quality does.
    """
    sheet = draw(pictures, title, said)
    for quality in QUALITIES:
        file = BytesIO()
        sheet.save(file, "WEBP", quality=quality, method=6)
        if file.tell() <= LARGEST:
            return file.getvalue()
    raise ValueError(f"a sheet of {len(pictures)} pictures does not fit into {LARGEST} bytes: show fewer")


def draw(pictures: Sequence[Picture], title: str, said: str) -> Image.Image:
    """The grid under a title; all pictures have one size."""
    height, width = pictures[0].pixels.shape[:2]
    across = columns(len(pictures), width, height)
    rows = [pictures[start : start + across] for start in range(0, len(pictures), across)]
    captions = [[wrapped(picture.caption, width) for picture in row] for row in rows]
    tall = [height + 10 + LINE * max(map(len, lines)) for lines in captions]
    top = MARGIN + TITLE_SIZE + 26
    wide = across * (width + GAP) - GAP
    sheet = Image.new("RGB", (wide + 2 * MARGIN, top + sum(tall) + ROW_GAP * (len(rows) - 1) + MARGIN), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN + TITLE_SIZE), title, INK, _font(TITLE_SIZE, bold=True), anchor="ls")
    pen.text((MARGIN + wide, MARGIN + TITLE_SIZE), said, FAINT, _font(SAID_SIZE), anchor="rs")
    y = top
    for row, lines, extent in zip(rows, captions, tall, strict=True):
        for place, (picture, caption) in enumerate(zip(row, lines, strict=True)):
            x = MARGIN + place * (width + GAP)
            sheet.paste(Image.fromarray(picture.pixels), (x, y))
            pen.rectangle((x - 1, y - 1, x + width, y + height), outline=RULE)  # white grounds have an edge
            for number, line in enumerate(caption):
                pen.text((x, y + height + 8 + LINE * number), line, INK, _font(CAPTION_SIZE))
        y += extent + ROW_GAP
    return sheet


def columns(count: int, width: int, height: int) -> int:
    """How many pictures stand side by side: no row is left short, and the sheet is nearest to SHAPE."""
    captioned = height + 3 * LINE + ROW_GAP
    whole = [across for across in range(1, count + 1) if count % across == 0]
    return min(whole, key=lambda n: abs(np.log(n * (width + GAP) / (count / n * captioned) / SHAPE)))


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` pixels, but for words that are longer."""
    font, lines = _font(CAPTION_SIZE), list[str]()
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


@lru_cache(maxsize=8)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)
