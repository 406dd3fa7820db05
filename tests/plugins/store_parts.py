"""Made-up pictures for run folders, and a folder's files at a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evalsuite.manifest import Manifest
from evalsuite.plan import Unit
from evalsuite.records import Picture
from evalsuite.store import RunStore

PATH = {
    "mean": [0.1],
    "variance": [1.5],
    "power": [2.0],
    "deviation": [0.25],
    "cosine": [],
    "change": [],
    "straightness": 0.25,
    "mean_power": 1 / 3,
}


TRACE = {"t": [1.0], "weight": [1.0], "guided": PATH, "conditional": PATH}


def pictures_of(unit: Unit, seed: int = 0) -> list[Picture]:
    rng = np.random.default_rng([seed, int(unit.key[:8], 16)])
    shape = (len(unit.jobs), unit.height, unit.width, 3)
    return [Picture("ok", rgb, TRACE) for rgb in rng.integers(0, 256, shape, dtype=np.uint8)]


def fill(folder: Path, manifest: Manifest) -> None:
    with RunStore.create(folder, manifest) as store:
        for unit in store.pending():
            store.add(unit, pictures_of(unit), 0.5)


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file but the lock and the memory of what was seen, with its time and content."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", "seen.json")]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
