"""How much the predicted velocity changes along the sampling path: 0 is a straight path (arXiv:2209.03003)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from evalsuite.metrics import cards
from evalsuite.metrics.base import Estimate, Inputs, Measure, cluster_of, from_interval, notes
from evalsuite.samples import PathStatistics, Sample
from evalsuite.stats import clustered_ratio

Path = Literal["guided", "conditional"]
USES = frozenset({"trace"})
FINE = 50
"""Steps under which the sampler's own error shows in the value."""
OF_STEPS = "a property of this sampler and step count"
COARSE = f"{OF_STEPS}; for the path's own straightness use --sampler midpoint --steps {FINE} or more"
CARRIED = "predictions of a distilled model carry guidance: it tells none without"


def straightness(velocity: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Variance of velocities over time and power of their mean, each per dimension, in float64.

    S = sum_k w_k |v_k - vbar|^2 / D and |vbar|^2 / D with vbar = sum_k w_k v_k.

    Args:
        velocity: (K, B, ...) predictions at the K steps of B sampling paths.
        weight: (K,) step lengths over their sum.

    Returns:
        Two of (B,).
    """
    v = velocity.double().flatten(2)  # (K, B, D)
    w = weight.double().to(v.device).view(-1, 1, 1)
    mean = (w * v).sum(0)  # (B, D)
    return (w * (v - mean).square()).sum(0).mean(-1), mean.square().mean(-1)


class VVariance(Metric):
    """Summed variance over summed power of the mean: a ratio over paths, NaN when every mean velocity is 0."""

    higher_is_better = None
    full_state_update = False
    variance: Tensor
    power: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("variance", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("power", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, velocity: Tensor, weight: Tensor) -> None:
        """Add predictions (K, B, ...) along B paths, with step weights (K,) that sum to 1."""
        variance, power = straightness(velocity, weight)
        self.variance += variance.sum()
        self.power += power.sum()

    def compute(self) -> Tensor:
        """The ratio, a float64 scalar."""
        return self.variance / self.power


def estimate(inputs: Inputs, path: Path = "guided") -> Estimate:
    """Ratio over the images of a slice; None where the mean prediction is 0, as in an untrained model."""
    traced = list(_traced(inputs.samples, path))
    missing = sum(sample.trace is None for sample in inputs.samples)
    carried = len(traced) + missing < len(inputs.samples)
    note = notes(f"{missing} images without a trace left out" if missing else "", CARRIED if carried else "")
    power = [statistics["mean_power"] for _, statistics in traced]
    if not math.fsum(power):
        reason = "the mean velocity is 0: the ratio is undefined" if traced else ""
        return Estimate(None, None, None, len(traced), "none", notes(note, reason))
    variance = [statistics["straightness"] for _, statistics in traced]
    found = clustered_ratio(variance, power, [cluster_of(sample) for sample, _ in traced])
    coarse = any(len(statistics["power"]) < FINE for _, statistics in traced)
    own = any(sample.trace is not None and sample.trace["conditional"] is None for sample, _ in traced)
    return from_interval(found, len(traced), notes(note, (OF_STEPS if own else COARSE) if coarse else ""))


def per_image(inputs: Inputs, path: Path = "guided") -> dict[str, float]:
    """Sample id to its own ratio, where its mean velocity is not 0."""
    return {
        sample.id: statistics["straightness"] / statistics["mean_power"]
        for sample, statistics in _traced(inputs.samples, path)
        if statistics["mean_power"]
    }


def weights(inputs: Inputs, path: Path = "guided") -> dict[str, float]:
    """Sample id to the power of its mean velocity: the ratio of sums is the mean of ratios with these weights."""
    return {sample.id: statistics["mean_power"] for sample, statistics in _traced(inputs.samples, path)}


def _traced(samples: Sequence[Sample], path: Path) -> Iterator[tuple[Sample, PathStatistics]]:
    for sample in samples:
        if sample.trace is not None and (statistics := sample.trace[path]) is not None:
            yield sample, statistics


def measures(scorer: None = None) -> tuple[Measure, ...]:
    """No network looks at an image: the trace says it all."""
    return MEASURES


MEASURES = (
    Measure(cards.V_VARIANCE, estimate, per_image, USES, weights=weights),
    Measure(
        cards.V_VARIANCE_CONDITIONAL,
        partial(estimate, path="conditional"),
        partial(per_image, path="conditional"),
        USES,
        weights=partial(weights, path="conditional"),
    ),
)
