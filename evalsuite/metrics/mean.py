"""The torchmetrics.Metric of every score that is a mean over images."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class MeanScore(Metric):
    """Mean of scores; NaN marks those that are not defined, which are left out and counted in ``undefined``."""

    full_state_update = False
    total: Tensor
    count: Tensor
    undefined: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("undefined", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def add(self, scores: Tensor) -> None:
        """Add scores (n,), without waiting for the device they are on."""
        self.total += scores.double().nansum()
        missing = scores.isnan().sum()
        self.undefined += missing
        self.count += len(scores) - missing

    def compute(self) -> Tensor:
        """The mean, a float64 scalar; NaN when no score is defined."""
        return self.total / self.count
