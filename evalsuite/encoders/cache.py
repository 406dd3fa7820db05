"""Features on disk, so that scoring again, or adding a metric, looks at no image twice.

A file holds the rows of some keys; its name is the hash of those keys. Files are whole or absent, none is ever
changed, and which rows share a file does not matter: any process may add any rows in any order.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from evalsuite.digest import digest
from evalsuite.files import TEMPORARY, disk_errors, keep, read_regular, refuse_link, sweep
from evalsuite.metrics.base import Array


class FeatureCache:
    """Feature rows by key.

    Args:
        folder: made when missing; what is damaged in it is passed over, and so made anew.
        width: of every row.

    Raises:
        InputError: the folder is a symbolic link.
        Incomplete: the disk is full or refuses.
    """

    def __init__(self, folder: Path, width: int) -> None:
        refuse_link(folder)
        with disk_errors(f"make {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
            sweep(folder)
        self.folder = folder
        self._rows: dict[str, Array] = {}
        for path in sorted(folder.glob("*.npz")):
            if not path.name.startswith(TEMPORARY):
                self._rows.update(_read(path, width))

    def missing(self, keys: Sequence[str]) -> list[str]:
        """The keys without a row, each once, in their order."""
        return [key for key in dict.fromkeys(keys) if key not in self._rows]

    def add(self, keys: Sequence[str], rows: Array) -> None:
        """Keep rows (n, width) float32 under n keys.

        Raises:
            Incomplete: the disk is full or refuses.
        """
        keep_rows(self.folder, keys, rows)
        self._rows.update(zip(keys, rows, strict=True))

    def rows(self, keys: Sequence[str]) -> Array:
        """Rows (n, width) of n keys, n >= 1, all of them present."""
        return np.stack([self._rows[key] for key in keys])


def keep_rows(folder: Path, keys: Sequence[str], rows: Array) -> None:
    """Keep rows (n, width) float32 under n keys in a cache's folder, which is neither read nor swept.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    buffer = io.BytesIO()
    np.savez(buffer, keys=np.array(keys), rows=rows)
    keep(folder / f"{digest(list(keys))}.npz", buffer.getvalue())


def _read(path: Path, width: int) -> Iterator[tuple[str, Array]]:
    try:
        with np.load(io.BytesIO(read_regular(path)), allow_pickle=False) as file:
            keys, rows = file["keys"], file["rows"]
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile):
        return
    sound = keys.dtype.kind == "U" and rows.dtype == np.float32 and rows.shape == (keys.size, width)
    if sound and np.isfinite(rows).all():
        yield from zip(keys.tolist(), rows, strict=True)
