"""Plain PNG files decoded by Pillow in one call, without Python's lock: its own reader takes the lock for every block.

Threads that decode wait for the lock far longer than they hold it. The pixels are those of `PIL.Image.open`, by the
same decoder; whatever is not plain, or not whole, is left to it, which says what is wrong.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path
from typing import IO, NamedTuple

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
START = len(SIGNATURE) + 4 + 4 + 13 + 4
"""Bytes up to the end of the header's chunk: length, name, content, checksum."""
MODES = {(8, 0): ("L", 1), (8, 2): ("RGB", 3), (8, 6): ("RGBA", 4)}
"""By bits and colour type: Pillow's mode and samples of a pixel."""
SPARE = 1 << 18
"""Bytes that a file may have beyond its samples: text, and what deflate adds to noise."""
LENGTHS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7}
ANY_LENGTH = (b"tEXt", b"eXIf")
"""These and LENGTHS say nothing of the pixels; Pillow takes them as they come, if their checksums are right."""


class Header(NamedTuple):
    """Of a plain PNG."""

    width: int
    height: int
    mode: str
    samples: int


def read_plain(source: Path | IO[bytes], limit_pixels: int) -> Image.Image | None:
    """The image of a PNG of 8 bits, not interlaced, grey or RGB with or without transparency in a channel of its own.

    Args:
        source: a regular file, or an open one that can seek, read from its start.
        limit_pixels: an image of more is not decoded.

    Returns:
        Mode L, RGB or RGBA; None where `PIL.Image.open` should look at the file.
    """
    try:
        if isinstance(source, Path):
            with source.open("rb", buffering=0) as file:
                return _read(file, limit_pixels, os.fstat(file.fileno()).st_size)
        source.seek(0)
        return _read(source, limit_pixels)
    except (OSError, ValueError):  # no such file, or not enough data, or broken
        return None


def _read(file: IO[bytes], limit_pixels: int, size: int = sys.maxsize) -> Image.Image | None:
    header = _header(file.read(START))
    if header is None or header.width * header.height > limit_pixels:
        return None
    most = header.height * (1 + header.width * header.samples) + SPARE
    rest = file.read(min(most, size))  # memory for more than there is would be slow; what is cut off here has no end
    packed = _packed(memoryview(rest))
    if packed is None:
        return None
    return Image.frombytes(header.mode, (header.width, header.height), packed, "zip", header.mode)


def _header(start: bytes) -> Header | None:
    if len(start) < START or not start.startswith(SIGNATURE + b"\0\0\0\rIHDR"):
        return None
    width, height, bits, colour, *ways, checksum = struct.unpack_from(">IIBBBBBI", start, 16)
    if not (width and height) or any(ways) or (bits, colour) not in MODES or checksum != zlib.crc32(start[12:29]):
        return None
    return Header(width, height, *MODES[bits, colour])


def _packed(rest: memoryview) -> bytes | None:
    """The deflated rows from the chunks after the header; None unless they end the file's picture."""
    parts: list[memoryview] = []
    place = 0
    while place + 8 <= len(rest):
        length, name = struct.unpack_from(">I4s", rest, place)
        end = place + 8 + length
        if name == b"IEND":
            return b"".join(parts)
        if name == b"IDAT":
            parts.append(rest[place + 8 : end])
        elif parts or end + 4 > len(rest) or not _says_nothing(name, rest[place + 4 : end], rest[end : end + 4]):
            return None
        place = end + 4
    return None


def _says_nothing(name: bytes, chunk: memoryview, checksum: memoryview) -> bool:
    known = LENGTHS.get(name) == len(chunk) - len(name) or name in ANY_LENGTH
    return known and zlib.crc32(chunk) == int.from_bytes(checksum, "big")
