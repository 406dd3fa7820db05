"""Features of a few images, fresh from the network, against those that a run folder keeps."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evalsuite.files import read_regular
from evalsuite.metrics.base import Array
from evalsuite.verification.findings import Check, Finding

TOLERANCE = 1e-3
"""Largest difference of a feature from another kind of machine, over the largest feature of its row."""


def compare_features(fresh: Path, kept: Path, exact: bool) -> Check:
    """Compare the rows of two feature folders that both have.

    Args:
        fresh: rows of the images that were looked at.
        kept: rows of all images of the run; only read.
        exact: whether every bit must be the same.
    """
    rule = "exact" if exact else f"within {TOLERANCE:g} of the row's largest"
    faults: list[Finding] = []
    seen = total = 0
    largest = 0.0
    for folder in sorted(path for path in fresh.iterdir() if path.is_dir()) if fresh.is_dir() else ():
        theirs = dict(_rows(kept / folder.name))
        for key, row in _rows(folder):
            total += 1
            if key not in theirs:
                continue
            seen += 1
            if theirs[key].shape != row.shape:
                faults.append(Finding("features", key, f"{folder.name}: {row.size} here, {theirs[key].size} there"))
                continue
            apart = float(np.abs(row.astype(np.float64) - theirs[key]).max(initial=0.0))
            largest = max(largest, apart)
            limit = 0.0 if exact else TOLERANCE * float(np.abs(row).max(initial=0.0))
            if not apart <= limit:
                faults.append(Finding("features", key, f"{folder.name}: differ by up to {apart:.3g}"))
    note = f"{total - seen} of {total} are not kept in the run folder" if seen < total else ""
    return Check("features", seen, total, rule, faults, note, f"{largest:.3g}")


def _rows(folder: Path) -> Iterator[tuple[str, Array]]:
    """Keys and rows of a feature folder, without touching it; a damaged file has none."""
    for path in sorted(folder.glob("*.npz")) if folder.is_dir() else ():
        try:
            with np.load(io.BytesIO(read_regular(path)), allow_pickle=False) as file:
                keys, rows = file["keys"], file["rows"]
        except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile):
            continue
        if rows.ndim == 2 and len(keys) == len(rows):
            yield from zip(keys.tolist(), rows, strict=True)
