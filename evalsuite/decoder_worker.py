"""A process that decodes images for another: names come in, pixels go into memory that both see."""

from __future__ import annotations

import json
import mmap
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np

from evalsuite.images import BadImage, Pixels, read_rgb

Told: TypeAlias = "list[int] | str | None"
"""Of a file: height and width of the pixels, one file's after another's; why there are none; or that none had room."""


def serve(requests: IO[bytes], replies: IO[bytes], area: Pixels) -> None:
    """Answer until the requests end, as they do with the process that makes them.

    Args:
        requests: lines of names.
        replies: lines of what is told of them.
        area: (bytes,) for pixels.
    """
    for line in requests:
        replies.write(json.dumps(_decoded([Path(name) for name in json.loads(line)], area)).encode() + b"\n")
        replies.flush()


def _decoded(files: Sequence[Path], area: Pixels) -> list[Told]:
    told: list[Told] = []
    place = 0
    for file in files:
        try:
            pixels = read_rgb(file)
        except BadImage as error:
            told.append(str(error))
            continue
        if place + pixels.size > len(area):
            told.append(None)
            continue
        area[place : place + pixels.size] = pixels.reshape(-1)
        place += pixels.size
        told.append([pixels.shape[0], pixels.shape[1]])
    return told


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, np.frombuffer(mmap.mmap(int(sys.argv[1]), 0), np.uint8))
