"""Preference score: would people take this image for this prompt over another (arXiv:2306.09341)."""

from __future__ import annotations

import torch
from torch import Tensor

from evalsuite.metrics import cards
from evalsuite.metrics.base import Estimate, Inputs, Measure, mean_estimate, truncation_note
from evalsuite.metrics.mean import MeanScore
from evalsuite.scorers import ScorerName


def preference_score(image: Tensor, text: Tensor) -> Tensor:
    """100 x cosine of preference features, without a logit scale, as HPSv2's tables have it.

    Args:
        image: (n, d) rows of unit length, after the preference head.
        text: (n, d) likewise.

    Returns:
        (n,) float64 in [-100, 100].
    """
    return 100 * (image.double() * text.double()).sum(-1)


class HPS(MeanScore):
    """Mean preference score of image and text features after the preference head."""

    higher_is_better = True

    def update(self, image: Tensor, text: Tensor) -> None:
        """Add pairs of rows (n, d) of unit length."""
        self.add(preference_score(image, text))


def per_image(inputs: Inputs) -> dict[str, float]:
    """Sample id to score."""
    scores = preference_score(*map(torch.from_numpy, inputs.preference)).tolist()
    return {sample.id: score for sample, score in zip(inputs.samples, scores, strict=True)}


def estimate(inputs: Inputs) -> Estimate:
    """Mean over the images of a slice."""
    return mean_estimate(per_image(inputs), inputs, truncation_note(inputs))


def measures(scorer: ScorerName) -> tuple[Measure, ...]:
    """With a network: the bundled one has a preference head, HPS is one."""
    return (Measure(cards.hps(scorer), estimate, per_image, frozenset({"encoder", "preference"})),)
