"""What a file of reference statistics is, in words: ours, or another tool's as far as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evalsuite.errors import InputError
from evalsuite.foreign_stats import read_foreign
from evalsuite.image_sources import source_of
from evalsuite.moments import Moments
from evalsuite.npz import FAULTS, Npz
from evalsuite.reference import load_reference


def describe(path: Path, part: str = "") -> list[dict[str, str]]:
    """Facts on a file (.npz), a block for the whole and one for each aspect ratio.

    Args:
        path: the file.
        part: of another tool's file with several.

    Raises:
        InputError: it cannot be read, or is nothing of this kind.
    """
    names = _names(path)
    if {"aspects", "extractor"} <= names:
        return _ours(path)
    if "arr_0" in names and "mu" not in names and not part:
        return [{"file": str(path), "images": str(len(source_of(path))), "use": "`evalsuite stats build`"}]
    found = read_foreign(path, part)
    unsaid = "not said by the file; `evalsuite stats convert` takes your word for it"
    facts = {"file": str(path), "format": found.format, "sha256": found.sha256, "extractor": unsaid}
    return [facts, _moments(found.moments, 0 if found.features is None else len(found.features))]


def _names(path: Path) -> set[str]:
    try:
        with Npz(path) as file:
            return set(file.headers)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name another file") from error
    except FAULTS:
        return set()  # another reader says what is wrong with it


def _ours(path: Path) -> list[dict[str, str]]:
    reference = load_reference(path)
    facts = {
        "file": str(path),
        "format": "evalsuite",
        "sha256": reference.sha256,
        "extractor": reference.extractor + (" (the user's word for it)" if reference.claimed else ""),
        "fingerprint": reference.fingerprint or "unknown",
        "preprocessing": reference.preprocessing,
    }
    blocks = [
        {"aspect": aspect, **_moments(moments, len(reference.features.get(aspect, ())))}
        for aspect, moments in reference.aspects.items()
    ]
    return [facts, *blocks]


def _moments(found: Moments, rows: int) -> dict[str, str]:
    return {
        "images": str(found.n or "unknown"),
        "dimensions": str(len(found.mean)),
        "trace": f"{found.trace:.6g}",
        "norm of the mean": f"{np.linalg.norm(found.mean):.6g}",
        "features kept": str(rows),
    }
