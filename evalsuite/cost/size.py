"""Sizes of pictures, as the user writes them."""

from __future__ import annotations

import re
from typing import NamedTuple

from evalsuite.errors import InputError

LARGEST = 65_536
"""Pixels of a side."""
MOST = 64
"""Sizes at a time."""
_SIZE = re.compile(r"([0-9]{1,5})(?:x([0-9]{1,5}))?")


class Size(NamedTuple):
    """Pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        """Pixels of the picture."""
        return self.width * self.height

    @property
    def slice(self) -> str:
        """Of rows: ``side=512`` for a square, ``size=640x512`` for others."""
        return f"side={self.width}" if self.width == self.height else f"size={self.width}x{self.height}"

    def times(self, factor: int) -> Size:
        """Both sides so many times as long."""
        return Size(self.width * factor, self.height * factor)

    def fitting(self, stride: int) -> Size:
        """The nearest size whose sides the stride divides; a half is rounded up."""
        return Size(*(stride * max(1, (side + stride // 2) // stride) for side in self))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def parse(text: str) -> tuple[Size, ...]:
    """Sizes in the order of their areas, each once.

    Args:
        text: ``256,512,640x512``; a number alone is the side of a square.

    Raises:
        InputError: something else, a side of 0 or above LARGEST, or more than MOST of them.
    """
    found = set()
    for word in (part.strip() for part in text.split(",")):
        match = _SIZE.fullmatch(word)
        if match is None:
            raise InputError(f"--sizes {word[:40]!r} is no size: write sides in pixels, such as 256,512,640x512")
        size = Size(int(match[1]), int(match[2] or match[1]))
        if not 1 <= min(size) <= max(size) <= LARGEST:
            raise InputError(f"--sizes {word}: sides must be from 1 to {LARGEST} pixels")
        found.add(size)
    if len(found) > MOST:
        raise InputError(f"--sizes: {len(found)} sizes are more than {MOST} at a time")
    return tuple(sorted(found, key=lambda size: (size.area, size)))
