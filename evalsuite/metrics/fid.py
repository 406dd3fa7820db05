"""Frechet distance from reference images: how far the set of images is from real ones, not how good each is."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor
from torchmetrics import Metric

from evalsuite.metrics import cards
from evalsuite.metrics.base import Estimate, Inputs, Measure, by_influence, cluster_of, no_image_values, notes
from evalsuite.metrics.frechet import distance_with_influences, frechet_distance, frechet_infinity, influences
from evalsuite.moments import MomentSums
from evalsuite.reference import Moments
from evalsuite.scorers import ScorerName

USES = frozenset({"images", "reference"})
PUBLISHED_N = 2048
"""Fewest images of a Frechet distance that papers report: the width of Inception's features."""


class FrechetDistance(Metric):
    """Frechet distance of feature batches from reference moments.

    Args:
        reference: moments of real images' features (evalsuite.reference).

    Example:
        ``metric.update(features)`` with features (n, d) of any float type, then ``metric.compute()``.
    """

    higher_is_better = False
    full_state_update = False
    total: Tensor
    outer: Tensor
    count: Tensor

    def __init__(self, reference: Moments) -> None:
        super().__init__()
        self.reference = reference
        width = len(reference.mean)
        self.add_state("total", torch.zeros(width, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("outer", torch.zeros(width, width, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, features: Tensor) -> None:
        """Add features (n, d)."""
        sums = self._sums()
        sums.add(features)  # in place
        self.count += len(features)

    def compute(self) -> Tensor:
        """The distance, a float64 scalar.

        Raises:
            ValueError: fewer than two rows were added.
        """
        if self.count < 2:
            raise ValueError(f"a Frechet distance needs at least 2 images, got {int(self.count)}")
        value = frechet_distance(self._sums().moments(), self.reference)
        return torch.tensor(value, dtype=torch.float64, device=self.total.device)

    def _sums(self) -> MomentSums:
        """About the reference's mean: the same on every rank, so that states add up."""
        shift = torch.from_numpy(self.reference.mean).to(self.total.device)
        return MomentSums(shift, self.total, self.outer, int(self.count))


def estimate(inputs: Inputs) -> Estimate:
    """Distance at this number of images; its interval is for the expected distance at this number."""
    n, reference = len(inputs.samples), _reference(inputs)
    if isinstance(reference, str):
        return Estimate(None, None, None, n, "none", reference)
    few = f"n={n} < {PUBLISHED_N}: not comparable with published FID; use at equal n" if n < PUBLISHED_N else ""
    small = f"n={n} <= d={len(reference.mean)}: the interval is conservative" if n <= len(reference.mean) else ""
    bias = f"the interval is for the expected distance at n={n}; its bias is not removed"
    return by_influence(inputs, *distance_with_influences(inputs.features.image, reference), notes(few, small, bias))


def estimate_infinity(inputs: Inputs) -> Estimate | None:
    """Distance extrapolated to infinitely many images; None with too few of them, or of prompts, for that."""
    n, reference = len(inputs.samples), _reference(inputs)
    clusters = [cluster_of(sample) for sample in inputs.samples]
    if isinstance(reference, str) or n <= 2 * len(reference.mean) or len(set(clusters)) < 2:
        return None
    value = frechet_infinity(inputs.features.image, reference, clusters)
    if value is None:
        return None
    found = by_influence(inputs, value, influences(inputs.features.image, reference))
    return found._replace(method=f"half-split extrapolation; {found.method}")


def _reference(inputs: Inputs) -> Moments | str:
    """Moments in the slice's mix of aspects, or why there are none."""
    if inputs.reference is None:
        return "no reference moments"
    if len(inputs.samples) < 2:
        return "a Frechet distance needs at least 2 images"
    counts = Counter(sample.aspect for sample in inputs.samples)
    if missing := inputs.reference.missing(counts):
        return f"no reference images of aspect {', '.join(missing)}"
    return inputs.reference.mixture(counts)


def measures(scorer: ScorerName, family: str = "fid") -> tuple[Measure, ...]:
    """With a network: the distance, and its extrapolation."""
    distance, infinity = cards.frechet(scorer, family)
    return (
        Measure(distance, estimate, no_image_values, USES, by_tag=False),
        Measure(infinity, estimate_infinity, no_image_values, USES, by_tag=False),
    )


def fd_measures(scorer: ScorerName) -> tuple[Measure, ...]:
    """The same distance, where the network is not the one of FID."""
    return measures(scorer, "fd")
