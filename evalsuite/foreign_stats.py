"""Reference statistics that other tools wrote (.npz). They do not say which network made them, so the user has to.

pytorch-fid, clean-fid, EDM and EDM2 write ``mu`` and ``sigma``; ADM these with ``mu_s``, ``sigma_s`` and images
``arr_0``; clean-fid's KID ``feats``; dgm-eval ``reps``. Pickles, which can run code, are never read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evalsuite.errors import InputError
from evalsuite.moments import Moments, Rows, moments
from evalsuite.npz import FAULTS, Npz
from evalsuite.reference import ANY, Reference, some_rows, write_reference
from evalsuite.reference_file import check_moments

PICKLES = (".pkl", ".pickle", ".pt", ".pth")
ROWS = {"feats": "clean-fid features", "reps": "dgm-eval features"}
_PART = re.compile(r"(?:(?P<part>.+)[./_])?mu")


class Foreign(NamedTuple):
    """What a file of another tool holds.

    Attributes:
        format: in words.
        moments: n is 0 where the file does not say it.
        features: (n, d) behind the moments, or None where only those are there.
        sha256: of the file.
    """

    format: str
    moments: Moments
    features: Rows | None
    sha256: str


def read_foreign(path: Path, part: str = "") -> Foreign:
    """Read the statistics of another tool.

    Args:
        path: the file (.npz).
        part: of a file with several, such as ``fd_dinov2`` for its arrays ``fd_dinov2/mu`` and ``fd_dinov2/sigma``.

    Raises:
        InputError: a pickle, unreadable, of an unknown kind, or not moments of features.
    """
    if path.suffix.lower() in PICKLES:
        raise InputError(f"{path} is a pickle, which can run code: where you trust it, save its mu and sigma as .npz")
    try:
        with Npz(path) as file:
            return _read(file, part)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); name another file") from error
    except FAULTS as error:
        reason = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise InputError(f"{path}: no reference statistics ({reason}); name another file") from error


def convert(
    path: Path,
    out: Path,
    extractor: str,
    *,
    fingerprint: str = "",
    rule: str = "",
    weights_sha256: str = "",
    n: int = 0,
    part: str = "",
    keep: int = 0,
) -> Reference:
    """Write the statistics of another tool as a reference file of ours, on the user's word for what made them.

    Args:
        path: the other tool's file.
        out: ours (.npz).
        extractor: id of the encoder that made the features, such as ``inception-tf1``.
        fingerprint: that encoder's here; empty where its weights are not here to ask.
        rule: how images were brought to its size, in words.
        weights_sha256: of the file with its weights, hex.
        n: images behind the moments; 0 where unknown.
        part: see `read_foreign`.
        keep: rows to keep for kernel distances, where the file has rows.

    Raises:
        InputError: as `read_foreign` does, or n is not what the file says.
    """
    if n < 0 or n == 1:
        raise InputError(f"a covariance is of at least 2 images, not {n}: leave out --n where the number is not known")
    found = read_foreign(path, part)
    if n and found.moments.n not in (0, n):
        raise InputError(f"{path} has features of {found.moments.n} images, not {n}: leave out --n")
    words = [f"claimed: {rule or extractor}", f"weights sha256 {weights_sha256}" if weights_sha256 else ""]
    words.append(f"from {found.format}, sha256 {found.sha256}")
    reference = Reference(
        aspects={ANY: Moments(found.moments.mean, found.moments.covariance, n or found.moments.n)},
        extractor=extractor,
        fingerprint=fingerprint,
        preprocessing="; ".join(word for word in words if word),
        sha256="",
        features={ANY: some_rows(found.features, keep)} if keep and found.features is not None else {},
        claimed=True,
    )
    return write_reference(reference, out)


def _read(file: Npz, part: str) -> Foreign:
    if {"aspects", "extractor"} <= file.headers.keys():
        raise ValueError("it is a reference file of evalsuite already")
    parts = _parts(file)
    if part in parts:
        mean, covariance = (_array(file, name) for name in parts[part])
        kind = "ADM moments" if "mu_s" in file.headers else f"{part} moments" if part else "moments"
        found = check_moments("it", Moments(mean, covariance, 0))
        symmetric = (found.covariance + found.covariance.T) / 2  # other tools round each half on its own
        return Foreign(kind, Moments(mean, symmetric, 0), None, file.sha256())
    for name, kind in ROWS.items():
        if name in file.headers and not part:
            rows = _array(file, name)
            if rows.ndim != 2 or not np.isfinite(rows).all():
                raise ValueError(f"{name} of shape {rows.shape} are not finite rows (n, d)")
            return Foreign(kind, moments(rows), rows.astype(np.float32), file.sha256())
    raise ValueError(_unknown(file, part, sorted(parts)))


def _parts(file: Npz) -> dict[str, tuple[str, str]]:
    """Part, empty for a whole file, to the names of its mu and sigma."""
    found = {}
    for name in file.headers:
        match = _PART.fullmatch(name)
        sigma = name.removesuffix("mu") + "sigma"
        if match and sigma in file.headers:
            found[match["part"] or ""] = (name, sigma)
    return found


def _array(file: Npz, name: str) -> np.ndarray[Any, Any]:
    header = file.headers[name]
    if header.dtype.kind != "f":
        raise ValueError(f"{name} is {header.dtype}, not floats")
    return file.read(name).astype(np.float64)


def _unknown(file: Npz, part: str, parts: list[str]) -> str:
    if part or parts:
        known = f"it has {', '.join(map(repr, parts)) or 'none'}"
        return f"no part {part!r}: {known}" if part else f"it is of several parts, choose one with --part: {known}"
    if "arr_0" in file.headers:
        return "it holds images, not statistics: use `evalsuite stats build`"
    skipped = "".join(f"; {name}: {fault}" for name, fault in list(file.faults.items())[:3])
    return f"no mu and sigma, feats or reps in it, but {', '.join(sorted(file.headers)[:10]) or 'nothing'}{skipped}"
