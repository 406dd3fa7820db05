"""Kernel distance (KID, arXiv:1801.01401): like Frechet's, but without bias at any number of images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from evalsuite.metrics import cards, mmd
from evalsuite.metrics.base import Estimate, Inputs, Measure, no_image_values
from evalsuite.metrics.mmd import Features, discrepancy
from evalsuite.scorers import ScorerName

USES = frozenset({"images", "reference", "rows"})


class SubsetDistance(NamedTuple):
    """Mean and standard deviation (divisor: the number of subsets) over subsets; the latter is no standard error."""

    mean: float
    deviation: float


class KernelDistance(Metric):
    """Kernel distance of feature batches from reference features, over all pairs; not multiplied by anything.

    All features are kept until ``reset``.

    Args:
        reference: features (m, d) of real images.

    Example:
        ``metric.update(features)`` with features (n, d) of any float type, then ``metric.compute()``.
    """

    higher_is_better = False
    full_state_update = False
    features: list[Tensor]

    def __init__(self, reference: Features) -> None:
        super().__init__()
        self.reference = reference
        self.add_state("features", [], dist_reduce_fx="cat")

    def update(self, features: Tensor) -> None:
        """Add features (n, d)."""
        self.features.append(features.detach())

    def compute(self) -> Tensor:
        """The distance, a float64 scalar.

        Raises:
            ValueError: fewer than two rows were added, or their width is not the reference's.
        """
        features = dim_zero_cat(self.features)
        value = kernel_distance(features.double().cpu().numpy(), self.reference)
        return torch.tensor(value, dtype=torch.float64, device=features.device)


def cubic(a: Tensor, b: Tensor) -> Tensor:
    """(a.b / d + 1)^3 of rows (n, d) and (m, d): (n, m)."""
    values = (a @ b.T).div_(a.shape[1]).add_(1)
    return values.square().mul_(values)


def kernel_distance(x: Features, y: Features) -> float:
    """Kernel distance of features x (n, d) and y (m, d) over all pairs; about 0 and up.

    Raises:
        ValueError: fewer than two rows, or of different widths.
    """
    return discrepancy(x, y, cubic).value


def kernel_distance_of_subsets(
    x: Features, y: Features, subsets: int = 100, size: int = 1000, seed: int = 2020
) -> SubsetDistance:
    """The protocol of other tools: the distance over random subsets, drawn as torch-fidelity draws them.

    Subsets overlap, so that their spread says little of the mean's error; `kernel_distance` uses every pair instead.

    Args:
        x: features (n, d) of generated images.
        y: features (m, d) of reference images.
        subsets: how many.
        size: rows of x and of y in each, drawn without replacement.
        seed: of NumPy's RandomState.

    Raises:
        ValueError: fewer rows than a subset has.
    """
    if size > min(len(x), len(y)):
        raise ValueError(f"subsets of {size} cannot be drawn from {len(x)} and {len(y)} rows")
    random = np.random.RandomState(seed)
    found = []
    for _ in range(subsets):
        some_x = x[random.choice(len(x), size, replace=False)]
        some_y = y[random.choice(len(y), size, replace=False)]
        found.append(kernel_distance(some_x, some_y))
    return SubsetDistance(float(np.mean(found)), float(np.std(found)))


def estimate(inputs: Inputs) -> Estimate:
    """1000 x the distance of a slice from reference images in its mix of aspect ratios."""
    return mmd.estimate(inputs, cubic)


def measures(scorer: ScorerName) -> tuple[Measure, ...]:
    """With a network."""
    return (Measure(cards.kid(scorer), estimate, no_image_values, USES, by_tag=False),)
