"""Folders of made-up images, and what was found in them."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from evalsuite.folder import FolderImages
from prompts import Prompt


def pixels(name: str, size: tuple[int, int] = (8, 6)) -> np.ndarray:
    """Pixels that differ from one name to another, (height, width, 3)."""
    generator = np.random.default_rng(zlib.crc32(name.encode("utf-8", "surrogateescape")))
    return generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def draw(folder: Path, *names: str, size: tuple[int, int] = (8, 6)) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(name, size)).save(path)


def ask(*ids: str) -> list[Prompt]:
    return [Prompt(id, f"text of {id}") for id in ids]


def found(images: FolderImages) -> list[tuple[str, int, str]]:
    """Prompt id, index and file name of every entry."""
    return [(e.prompt.id if e.prompt else "", e.index, e.file.name if e.file else e.status) for e in images.entries]
