"""What `score` asks for networks: loaded by name, with the reference images they are compared with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalsuite.encoders.protocol import ImageEncoder
from evalsuite.encoders.scorer import Scorer, load_scorer
from evalsuite.progress import Progress
from evalsuite.reference_images import reference_for
from evalsuite.scorers import ScorerName


@dataclass(frozen=True)
class Networks:
    """From a network's name, and what the metrics use of it, to the network.

    Attributes:
        device: of the networks.
        weights: ``NAME=PATH`` pairs.
        reference: as in RunSpec.
        cache: features of reference images are kept in it.
        progress: told of reference images.
        loaded: networks that are here already.
    """

    device: str
    weights: tuple[str, ...]
    reference: str | None
    cache: Path
    progress: Progress
    loaded: Mapping[ScorerName, ImageEncoder] = field(default_factory=dict)

    def __call__(self, name: ScorerName, uses: Collection[str]) -> Scorer:
        """Load one; raises InputError as load_scorer and reference_for do."""
        scorer = load_scorer(name, uses, self.device, self.weights, self.loaded.get(name))
        if "reference" not in uses or scorer.encoder is None:
            return scorer
        found = reference_for(scorer.encoder, uses, self.reference, self.cache, self.progress)
        return replace(scorer, reference=found)
