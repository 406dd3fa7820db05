"""CMMD (arXiv:2401.09603): a kernel distance of CLIP features, which needs no Gaussian and few images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from evalsuite.metrics import cards, mmd
from evalsuite.metrics.base import Estimate, Inputs, Measure, no_image_values
from evalsuite.metrics.mmd import SCALE, Features, discrepancy
from evalsuite.scorers import ScorerName

USES = frozenset({"images", "reference", "rows"})
WIDTH = 10.0
"""Standard deviation of the Gaussian kernel; features have unit length."""


class CMMD(Metric):
    """CMMD of feature batches from reference features, times 1000 as published.

    All features are kept until ``reset``.

    Args:
        reference: CLIP features (m, d) of real images, of any length.
        biased: as the published code computes it; see `cmmd`.

    Example:
        ``metric.update(features)`` with features (n, d) of any float type, then ``metric.compute()``.
    """

    higher_is_better = False
    full_state_update = False
    features: list[Tensor]

    def __init__(self, reference: Features, biased: bool = False) -> None:
        super().__init__()
        self.reference, self.biased = reference, biased
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
        value = cmmd(features.double().cpu().numpy(), self.reference, self.biased)
        return torch.tensor(value, dtype=torch.float64, device=features.device)


def gaussian(a: Tensor, b: Tensor) -> Tensor:
    """exp(-|a - b|^2 / (2 WIDTH^2)) - 1 of rows (n, d) and (m, d) brought to unit length: (n, m).

    The constant falls out of a discrepancy; without it nearly equal numbers near 1 are not subtracted.
    """
    cosine = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T
    return cosine.sub_(1).div_(WIDTH**2).expm1_()  # |a - b|^2 = 2 - 2 cosine


def cmmd(x: Features, y: Features, biased: bool = False) -> float:
    """CMMD of CLIP features x (n, d) and y (m, d), times 1000; about 0 and up.

    Args:
        x: of generated images, of any length.
        y: of reference images.
        biased: keep the kernel of each image with itself, as the published code does although the paper calls the
            estimate unbiased. That adds 1000 (1 - k) / n and the like for m, with k the mean kernel of two different
            images: about 5 / n + 5 / m for CLIP, so that at the published n of 30 000 both agree to 0.001.

    Raises:
        ValueError: fewer than two rows, or of different widths.
    """
    return SCALE * discrepancy(x, y, gaussian, biased).value


def estimate(inputs: Inputs) -> Estimate:
    """Unbiased CMMD of a slice from reference images in its mix of aspect ratios."""
    return mmd.estimate(inputs, gaussian)


def measures(scorer: ScorerName) -> tuple[Measure, ...]:
    """With a network."""
    return (Measure(cards.cmmd(scorer), estimate, no_image_values, USES, by_tag=False),)
