"""Frechet distance from reference images: how far the set of images is from real ones, not how good each is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from evalsuite.metrics import cards
from evalsuite.metrics.base import (
    Estimate,
    Inputs,
    Measure,
    cluster_of,
    from_interval,
    no_image_values,
    notes,
)
from evalsuite.metrics.frechet import frechet_distance, frechet_distance_of, frechet_infinity, influences
from evalsuite.reference import Moments
from evalsuite.stats import cluster_error, interval

CARD = cards.FID
USES = frozenset({"encoder", "reference"})
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
        # About the reference's mean, so that the sums do not cancel when the spread is small.
        centre = torch.from_numpy(self.reference.mean).to(features.device)
        rows = features.double() - centre  # (n, d)
        self.total += rows.sum(0)
        self.outer += rows.T @ rows
        self.count += len(rows)

    def compute(self) -> Tensor:
        """The distance, a float64 scalar.

        Raises:
            ValueError: fewer than two rows were added.
        """
        n = int(self.count)
        if n < 2:
            raise ValueError(f"a Frechet distance needs at least 2 images, got {n}")
        mean = self.total / n
        covariance = (self.outer - n * torch.outer(mean, mean)) / (n - 1)
        found = Moments(mean.cpu().numpy() + self.reference.mean, covariance.cpu().numpy(), n)
        return torch.tensor(frechet_distance(found, self.reference), dtype=torch.float64, device=self.total.device)


def estimate(inputs: Inputs) -> Estimate:
    """Distance at this number of images; its interval is for the expected distance at this number."""
    n, reference = len(inputs.samples), _reference(inputs)
    if isinstance(reference, str):
        return Estimate(None, None, None, n, "none", reference)
    found = interval(frechet_distance_of(inputs.features.image, reference), *_error(inputs, reference))
    few = f"n={n} < {PUBLISHED_N}: not comparable with published FID; use at equal n" if n < PUBLISHED_N else ""
    small = f"n={n} <= d={len(reference.mean)}: the interval is conservative" if n <= len(reference.mean) else ""
    bias = f"the interval is for the expected distance at n={n}; its bias is not removed"
    return from_interval(found, n, notes(few, small, bias))._replace(method=f"influence, {found.method}")


def estimate_infinity(inputs: Inputs) -> Estimate | None:
    """Distance extrapolated to infinitely many images; None with too few of them, or of prompts, for that."""
    n, reference = len(inputs.samples), _reference(inputs)
    clusters = [cluster_of(sample) for sample in inputs.samples]
    if isinstance(reference, str) or n <= 2 * len(reference.mean) or len(set(clusters)) < 2:
        return None
    value = frechet_infinity(inputs.features.image, reference, clusters)
    if value is None:
        return None
    found = interval(value, *_error(inputs, reference))
    return from_interval(found, n)._replace(method=f"half-split extrapolation; influence, {found.method}")


def _reference(inputs: Inputs) -> Moments | str:
    """Moments in the slice's mix of aspects, or why there are none."""
    if inputs.reference is None:
        return "no reference moments"
    if len(inputs.samples) < 2:
        return "a Frechet distance needs at least 2 images"
    counts = Counter(sample.aspect for sample in inputs.samples)
    missing = sorted(set(counts) - set(inputs.reference.aspects))
    if missing:
        return f"no reference images of aspect {', '.join(missing)}"
    return inputs.reference.mixture(counts)


def _error(inputs: Inputs, reference: Moments) -> tuple[float | None, int]:
    clusters = [cluster_of(sample) for sample in inputs.samples]
    names, members = np.unique(np.array(clusters), return_inverse=True)
    sums = np.bincount(members, weights=influences(inputs.features.image, reference))
    return cluster_error(sums.tolist(), len(clusters)), len(names)


MEASURES = (
    Measure(CARD, estimate, no_image_values, USES, by_tag=False),
    Measure(cards.FID_INFINITY, estimate_infinity, no_image_values, USES, by_tag=False),
)
