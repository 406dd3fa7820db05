"""The file that keeps reference moments and features (.npz), written so that it can be read without trusting it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from evalsuite.errors import InputError
from evalsuite.files import disk_errors, write_atomically
from evalsuite.moments import Moments, Rows
from evalsuite.npz import FAULTS, LARGEST, Npz

TOLERANCE = 1e-6
"""Of a covariance's trace: how far it may be from symmetric and from having no negative eigenvalue."""
WORDS = ("extractor", "fingerprint", "preprocessing")
LONGEST_WORD = 10_000  # characters


class Parts(NamedTuple):
    """What a file says; see evalsuite.reference.Reference."""

    aspects: dict[str, Moments]
    features: dict[str, Rows]
    words: dict[str, str]
    claimed: bool
    sha256: str


def write_parts(
    path: Path,
    aspects: Mapping[str, Moments],
    features: Mapping[str, Rows],
    words: Mapping[str, str],
    claimed: bool = False,
) -> None:
    """Write a reference file; the same content makes the same bytes.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    found = dict(sorted(aspects.items()))
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "aspects": np.array(list(found)),
        "mu": np.stack([m.mean for m in found.values()]),
        "sigma": np.stack([m.covariance for m in found.values()]),
        "n": np.array([m.n for m in found.values()]),
        **{name: np.array(words[name]) for name in WORDS},
    }
    if claimed:
        arrays["claimed"] = np.array(True)
    for place, aspect in enumerate(found):
        if aspect in features:
            arrays[_rows_name(place)] = np.asarray(features[aspect], np.float32)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    with disk_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())


def read_parts(path: Path) -> Parts:
    """Read a reference file.

    Raises:
        InputError: missing, too large, or not the arrays that write_parts writes.
    """
    try:
        with Npz(path, LARGEST) as file:
            return _read(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a reference ({error}); name another file") from error
    except FAULTS as error:
        reason = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise InputError(
            f"{path}: not a reference file ({reason}); make it with `evalsuite stats build`, or from another tool's"
            " file with `evalsuite stats convert`"
        ) from error


def check_moments(name: str, found: Moments) -> Moments:
    """The same moments, if they can be those of real features.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, n of 1, or no covariance.
    """
    mean, covariance = found.mean, found.covariance
    if mean.ndim != 1 or not len(mean) or covariance.shape != (len(mean), len(mean)):
        raise ValueError(f"{name} has a mean of shape {mean.shape} and a covariance of shape {covariance.shape}")
    if found.n < 2 and found.n != 0:
        raise ValueError(f"{name} has n={found.n}: whole numbers of at least 2, or 0 where unknown")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError(f"{name} has values that are not finite")
    tolerance = TOLERANCE * abs(found.trace)
    if np.abs(covariance - covariance.T).max() > tolerance:
        raise ValueError(f"the covariance of {name} is not symmetric")
    raised = torch.from_numpy(covariance + tolerance * np.eye(len(mean)))
    if covariance.any() and torch.linalg.cholesky_ex(raised).info:  # exists just where all eigenvalues are above 0
        raise ValueError(f"the covariance of {name} has a negative eigenvalue")
    return found


def _read(file: Npz) -> Parts:
    names, width = _check_shapes(file)
    mean, covariance, n = (file.read(name) for name in ("mu", "sigma", "n"))
    aspects = {
        name: check_moments(f"aspect {name}", Moments(mean[i].astype(float), covariance[i].astype(float), int(n[i])))
        for i, name in enumerate(names)
    }
    features = {name: _read_rows(file, i, width) for i, name in enumerate(names) if _rows_name(i) in file.headers}
    claimed = "claimed" in file.headers and bool(_one(file, "claimed", "b"))
    words = {name: str(_one(file, name, "U")) for name in WORDS}
    return Parts(aspects, features, words, claimed, file.sha256())


def _check_shapes(file: Npz) -> tuple[list[str], int]:
    """Names of the aspects and the width of the features, once the headers agree with each other."""
    for name in ("aspects", "mu", "sigma", "n"):
        if name not in file.headers:
            raise ValueError(file.faults.get(name, f"no {name}"))
    headers = {name: file.headers[name] for name in ("aspects", "mu", "sigma", "n")}
    count, width = (*headers["mu"].shape, 0, 0)[:2]
    expected = {"aspects": (count,), "mu": (count, width), "sigma": (count, width, width), "n": (count,)}
    shapes = {name: header.shape for name, header in headers.items()}
    if not count or shapes != expected:
        raise ValueError(f"arrays of shapes {shapes} do not fit together")
    kinds = {name: header.dtype.kind for name, header in headers.items()}
    if kinds["aspects"] != "U" or len(set(names := file.read("aspects").tolist())) != count:
        raise ValueError("aspects must be different strings")
    if kinds["mu"] != "f" or kinds["sigma"] != "f" or kinds["n"] not in "iu":
        raise ValueError("mu and sigma must be floats, n whole numbers of at least 2, or 0 where unknown")
    return names, width


def _read_rows(file: Npz, place: int, width: int) -> Rows:
    name = _rows_name(place)
    header = file.headers[name]
    if header.dtype != np.float32 or header.shape[1:] != (width,):
        raise ValueError(f"{name} is {header.dtype} {header.shape}, not float32 rows of {width}")
    rows = file.read(name)
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} has values that are not finite")
    return rows


def _one(file: Npz, name: str, kind: str) -> object:
    """A single word or truth value."""
    header = file.headers.get(name)
    if header is None or header.dtype.kind != kind or header.shape != () or header.bytes > 4 * LONGEST_WORD:
        raise ValueError(f"{name} is not one value")
    return file.read(name).item()


def _rows_name(place: int) -> str:
    return f"features_{place}"
