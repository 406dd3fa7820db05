"""Real images as the reference of an examination, and their features one by one, for the floor."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evalsuite.digest import digest
from evalsuite.doctor.bench import Load
from evalsuite.doctor.floor import referring
from evalsuite.encoders.features import CachedFeatures
from evalsuite.encoders.protocol import ImageEncoder
from evalsuite.encoders.scorer import Scorer
from evalsuite.errors import InputError
from evalsuite.moments import Rows
from evalsuite.progress import Progress
from evalsuite.reference import ANY, Reference
from evalsuite.samples import Sample
from evalsuite.scorers import ScorerName


@dataclass(frozen=True)
class Real:
    """Loads networks with a reference, and keeps the features of single real images where there are any.

    Attributes:
        load: networks, with the reference of a run.
        others: real images that are the reference in its place; empty where the run's own is.
        cache: features are kept in it.
        progress: told of the real images.
    """

    load: Load
    others: tuple[Sample, ...]
    cache: Path
    progress: Progress

    def __call__(self, name: ScorerName, uses: Collection[str]) -> Scorer:
        """Load one; raises InputError as loading does."""
        if "reference" not in uses:
            return self.load(name, uses)
        if not self.others:
            return self._with_rows(name, uses)
        scorer = self.load(name, frozenset(uses) - {"reference", "rows"})
        return scorer if scorer.encoder is None else replace(scorer, reference=self._of_others(scorer.encoder))

    def features(self, encoder: ImageEncoder, samples: Sequence[Sample]) -> dict[str, Rows]:
        """Features (n', d) of images by aspect ratio, from the cache where they are there."""
        self.progress.start(f"images {encoder.id}", len(samples))
        rows = CachedFeatures(encoder, self.cache, self.progress.advance).images(samples)
        return {aspect: rows[places] for aspect, places in _places(samples).items()}

    def kept(self, scorer: Scorer, also: Mapping[str, Rows]) -> dict[str, Rows]:
        """Features of single real images by aspect ratio, or of all under ANY; empty where the reference has none.

        Args:
            scorer: with its reference.
            also: features of real images besides those of the reference.
        """
        if scorer.reference is None:
            return {}
        known = dict(scorer.reference.features)
        parts = {aspect: rows for aspect, rows in known.items() if aspect != ANY} or known
        return {
            aspect: np.concatenate([found[aspect] for found in (parts, also) if aspect in found])
            for aspect in sorted(parts.keys() | also.keys())
        }

    def _with_rows(self, name: ScorerName, uses: Collection[str]) -> Scorer:
        """With features of single images too, where the reference has them."""
        try:
            return self.load(name, frozenset(uses) | {"rows"})
        except InputError:
            return self.load(name, uses)

    def _of_others(self, encoder: ImageEncoder) -> Reference:
        words = (encoder.id, encoder.fingerprint, encoder.preprocessing)
        whole = digest(sorted(sample.pixel_sha256 for sample in self.others))
        return referring(self.features(encoder, self.others), Reference({}, *words, sha256=whole))


def _places(samples: Sequence[Sample]) -> dict[str, list[int]]:
    aspects = sorted({sample.aspect for sample in samples})
    return {aspect: [i for i, sample in enumerate(samples) if sample.aspect == aspect] for aspect in aspects}
