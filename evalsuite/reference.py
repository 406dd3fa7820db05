"""Moments of real images' features, by aspect ratio: what generated images are compared with by Frechet distance."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from evalsuite.errors import InputError
from evalsuite.files import read_regular, write_atomically

BUNDLED = Path(__file__).parent / "encoders" / "data" / "reference.npz"
LARGEST = 256 << 20
"""Bytes of a reference file, packed or unpacked: five aspects of 2048 dimensions fit."""

Floats: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class Moments(NamedTuple):
    """Mean (d,) and covariance (d, d), divisor n - 1, of n feature rows, in float64."""

    mean: Floats
    covariance: Floats
    n: int


@dataclass(frozen=True)
class Reference:
    """Moments of reference images.

    Attributes:
        aspects: aspect ratio, such as ``16:9``, to moments.
        extractor: the encoder's id.
        fingerprint: the encoder's, so that features of another one are never compared with these.
        preprocessing: in words.
        sha256: of the file.
    """

    aspects: Mapping[str, Moments]
    extractor: str
    fingerprint: str
    preprocessing: str
    sha256: str

    def mixture(self, images: Mapping[str, int]) -> Moments:
        """Moments of the mixture that has the same share of each aspect ratio as some images.

        Args:
            images: aspect ratio to number of images; not all zero.

        Raises:
            KeyError: an aspect that the reference does not have.
        """
        total = sum(images.values())
        shares = [(count / total, self.aspects[aspect]) for aspect, count in sorted(images.items()) if count]
        mean = sum((share * m.mean for share, m in shares), start=np.zeros(()))
        second = sum((share * (m.covariance + np.outer(m.mean, m.mean)) for share, m in shares), start=np.zeros(()))
        return Moments(mean, second - np.outer(mean, mean), sum(m.n for _, m in shares))


def moments(features: np.ndarray[Any, Any]) -> Moments:
    """Moments of features (n, d), n >= 2, computed in float64.

    Raises:
        ValueError: fewer than two rows.
    """
    mean, centred = centre(features)
    rows = torch.from_numpy(centred)
    return Moments(mean, as_floats(rows.T @ rows) / (len(rows) - 1), len(rows))


def centre(features: np.ndarray[Any, Any]) -> tuple[Floats, Floats]:
    """Mean (d,) of features (n, d), and the features (n, d) without it, in float64.

    Raises:
        ValueError: fewer than two rows.
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"a covariance needs features (n, d) with n >= 2, got {rows.shape}")
    mean = rows.mean(axis=0)
    return mean, rows - mean


def as_floats(values: torch.Tensor) -> Floats:
    """A float64 tensor as an array."""
    array: Floats = values.numpy()
    return array


def build_reference(
    path: Path,
    features: Mapping[str, np.ndarray[Any, Any]],
    *,
    extractor: str,
    fingerprint: str,
    preprocessing: str,
) -> Reference:
    """Write a reference file (.npz) and read it back.

    Args:
        path: where to.
        features: aspect ratio to features (n, d) of real images in it.
        extractor: id of the encoder that made the features.
        fingerprint: the encoder's.
        preprocessing: the encoder's, in words.
    """
    found = {aspect: moments(rows) for aspect, rows in sorted(features.items())}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        aspects=np.array(list(found)),
        mu=np.stack([m.mean for m in found.values()]),
        sigma=np.stack([m.covariance for m in found.values()]),
        n=np.array([m.n for m in found.values()]),
        extractor=np.array(extractor),
        fingerprint=np.array(fingerprint),
        preprocessing=np.array(preprocessing),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
    return load_reference(path)


def load_reference(path: Path = BUNDLED) -> Reference:
    """Read a reference file.

    Raises:
        InputError: missing, too large, or not the arrays that build_reference writes.
    """
    try:
        data = read_regular(path, LARGEST)
        arrays = _read_arrays(data)
        aspects = _check_moments(arrays)
        words = {name: str(arrays[name].reshape(()).item()) for name in ("extractor", "fingerprint", "preprocessing")}
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a reference ({error}); name another file") from error
    except (ValueError, KeyError, TypeError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a reference file ({error}); make it with build_reference") from error
    return Reference(aspects, sha256=hashlib.sha256(data).hexdigest(), **words)


def _read_arrays(data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > LARGEST:
        raise ValueError(f"it unpacks to {unpacked} bytes, more than {LARGEST}")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _check_moments(arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Moments]:
    names, mean, covariance, n = (arrays[name] for name in ("aspects", "mu", "sigma", "n"))
    count, width = len(names), mean.shape[-1] if mean.ndim else 0
    shapes = (mean.shape, covariance.shape, n.shape)
    if not count or shapes != ((count, width), (count, width, width), (count,)):
        raise ValueError(f"{count} aspects with mu, sigma and n of shapes {shapes}")
    if names.dtype.kind != "U" or len(set(names.tolist())) != count:
        raise ValueError("aspects must be different strings")
    if mean.dtype.kind != "f" or covariance.dtype.kind != "f" or n.dtype.kind not in "iu" or (n < 2).any():
        raise ValueError("mu and sigma must be floats, n whole numbers of at least 2")
    found = {}
    for i, name in enumerate(names.tolist()):
        found[name] = Moments(mean[i].astype(np.float64), covariance[i].astype(np.float64), int(n[i]))
        _check_covariance(name, found[name])
    return found


def _check_covariance(name: str, found: Moments) -> None:
    if not (np.isfinite(found.mean).all() and np.isfinite(found.covariance).all()):
        raise ValueError(f"aspect {name} has values that are not finite")
    tolerance = 1e-6 * abs(float(np.trace(found.covariance)))
    if np.abs(found.covariance - found.covariance.T).max() > tolerance:
        raise ValueError(f"the covariance of aspect {name} is not symmetric")
    if float(torch.linalg.eigvalsh(torch.from_numpy(found.covariance)).min()) < -tolerance:
        raise ValueError(f"the covariance of aspect {name} has a negative eigenvalue")
