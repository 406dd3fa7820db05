"""Real images' features and their moments, by aspect ratio: what sets of generated images are compared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.moments import Floats, Moments, Rows, as_floats, centre, moments
from evalsuite.reference_file import read_parts, write_parts

__all__ = [
    "ANY",
    "BUNDLED",
    "Floats",
    "Moments",
    "Reference",
    "Rows",
    "as_floats",
    "build_reference",
    "centre",
    "load_reference",
    "moments",
    "some_rows",
    "write_reference",
]

BUNDLED = Path(__file__).parent / "encoders" / "data" / "reference.npz"
ANY = "any"
"""In place of an aspect ratio: images of all ratios together."""


@dataclass(frozen=True)
class Reference:
    """Reference images as one network sees them.

    Attributes:
        aspects: aspect ratio, such as ``16:9``, or ANY, to moments.
        extractor: the encoder's id.
        fingerprint: the encoder's, so that features of another one are never compared with these; empty where the
            extractor is only claimed and its weights were not there to ask.
        preprocessing: in words.
        sha256: of the file, or of what it was made from.
        features: the same keys to features (n', d) float32, all or some of those behind the moments; empty where
            none were kept.
        claimed: whether the extractor is the user's word for the file of another tool, which does not say it.
    """

    aspects: Mapping[str, Moments]
    extractor: str
    fingerprint: str
    preprocessing: str
    sha256: str
    features: Mapping[str, Rows] = field(default_factory=dict)
    claimed: bool = False
    _mixtures: dict[Any, Moments] = field(default_factory=dict, init=False, repr=False, compare=False)
    _chosen: dict[Any, Rows] = field(default_factory=dict, init=False, repr=False, compare=False)

    def missing(self, aspects: Collection[str]) -> list[str]:
        """Which of these aspect ratios it has no moments for, sorted; none where it has ANY."""
        return [] if ANY in self.aspects else sorted(set(aspects) - set(self.aspects))

    def made_by(self, extractor: str, fingerprint: str) -> bool:
        """Whether an encoder's features may be compared with these."""
        same = self.fingerprint == fingerprint
        return same or (self.claimed and not self.fingerprint and self.extractor == extractor)

    def mixture(self, images: Mapping[str, int]) -> Moments:
        """Moments of the mixture that has the same share of each aspect ratio as some images.

        Where it lacks one of their ratios and has ANY, those of ANY. The same shares in a row give the same object,
        whose factor is then computed once.

        Args:
            images: aspect ratio to number of images; not all zero.

        Raises:
            KeyError: an aspect that the reference does not have.
        """
        shares = _shares(images, self.aspects)
        if len(shares) == 1:
            return self.aspects[shares[0][0]]
        if shares not in self._mixtures:
            self._mixtures.clear()  # a mixture is large, and a run asks for the same one again and again
            self._mixtures[shares] = _mix([(float(share), self.aspects[aspect]) for aspect, share in shares])
        return self._mixtures[shares]

    def rows(self, images: Mapping[str, int]) -> Rows | None:
        """The kept features (n', d), as many as have the same share of each aspect ratio as some images.

        Ratios that it lacks, and the object returned, are as in `mixture`.

        Args:
            images: aspect ratio to number of images; not all zero.

        Returns:
            None where fewer than two features were kept for these ratios.
        """
        kept = {aspect: rows for aspect, rows in self.features.items() if len(rows)}
        try:
            shares = _shares(images, kept)
        except KeyError:
            return None
        if shares not in self._chosen:
            self._chosen.clear()
            whole = min(len(kept[aspect]) / share for aspect, share in shares)
            parts = [_spread(kept[aspect], max(1, int(share * whole))) for aspect, share in shares]
            found = parts[0].view() if len(parts) == 1 else np.concatenate(parts)
            found.flags.writeable = False  # so that what is computed from it once holds
            self._chosen[shares] = found
        found = self._chosen[shares]
        return found if len(found) > 1 else None


def _shares(images: Mapping[str, int], known: Collection[str]) -> tuple[tuple[str, Fraction], ...]:
    """Aspect ratio and share, sorted; ANY alone where that has to stand in for one that is not known."""
    total = sum(images.values())
    shares = {aspect: Fraction(count, total) for aspect, count in images.items() if count}
    lacking = sorted(shares.keys() - set(known))
    if lacking and ANY not in known:
        raise KeyError(lacking[0])
    return ((ANY, Fraction(1)),) if lacking else tuple(sorted(shares.items()))


def _spread(rows: Rows, count: int) -> Rows:
    """So many of the rows at equal distances: where they are sorted by what they show, of everything some."""
    return rows if count >= len(rows) else rows[np.arange(count) * len(rows) // count]


def _mix(parts: list[tuple[float, Moments]]) -> Moments:
    """By the law of total covariance; n is 0 where one of them does not know it."""
    mean = sum((share * m.mean for share, m in parts), start=np.zeros(()))
    second = sum((share * (m.covariance + np.outer(m.mean, m.mean)) for share, m in parts), start=np.zeros(()))
    n = sum(m.n for _, m in parts) if all(m.n for _, m in parts) else 0
    return Moments(mean, second - np.outer(mean, mean), n)


def some_rows(features: np.ndarray[Any, Any], most: int) -> Rows:
    """At most so many rows of features (n, d), drawn without replacement in random order, the same on every call."""
    order = np.random.default_rng(0).permutation(len(features))[:most]
    return np.asarray(features[order], dtype=np.float32)


def build_reference(
    path: Path,
    features: Mapping[str, np.ndarray[Any, Any]],
    *,
    extractor: str,
    fingerprint: str,
    preprocessing: str,
    keep: int = 0,
) -> Reference:
    """Write the reference file (.npz) of features and read it back.

    Args:
        path: where to.
        features: aspect ratio, or ANY, to features (n, d) of real images in it.
        extractor: id of the encoder that made the features.
        fingerprint: the encoder's.
        preprocessing: the encoder's, in words.
        keep: so many features of each aspect ratio are kept beside the moments.
    """
    found = {aspect: moments(rows) for aspect, rows in features.items()}
    kept = {aspect: some_rows(rows, keep) for aspect, rows in features.items() if keep}
    return write_reference(Reference(found, extractor, fingerprint, preprocessing, "", kept), path)


def write_reference(reference: Reference, path: Path) -> Reference:
    """Write a reference as a file (.npz) and read it back, with the file's SHA-256."""
    words = {name: getattr(reference, name) for name in ("extractor", "fingerprint", "preprocessing")}
    write_parts(path, reference.aspects, reference.features, words, reference.claimed)
    return load_reference(path)


def load_reference(path: Path = BUNDLED) -> Reference:
    """Read a reference file.

    Raises:
        InputError: missing, too large, or not the arrays that build_reference writes.
    """
    parts = read_parts(path)
    return Reference(parts.aspects, sha256=parts.sha256, features=parts.features, claimed=parts.claimed, **parts.words)
