"""CLIP score: does the image show what the prompt says (arXiv:2104.08718)."""

from __future__ import annotations

import torch
from torch import Tensor

from evalsuite.metrics import cards
from evalsuite.metrics.base import Estimate, Inputs, Measure, mean_estimate, truncation_note
from evalsuite.metrics.mean import MeanScore
from evalsuite.scorers import ScorerName


def clip_score(image: Tensor, text: Tensor) -> Tensor:
    """100 x max(cosine, 0) of each image with its text.

    Args:
        image: (n, d) rows of unit length.
        text: (n, d) rows of unit length.

    Returns:
        (n,) float64 in [0, 100].
    """
    return 100 * (image.double() * text.double()).sum(-1).clamp(min=0)


class CLIPScore(MeanScore):
    """Mean CLIP score of image and text features."""

    higher_is_better = True

    def update(self, image: Tensor, text: Tensor) -> None:
        """Add pairs of rows (n, d) of unit length."""
        self.add(clip_score(image, text))


def per_image(inputs: Inputs) -> dict[str, float]:
    """Sample id to score."""
    scores = clip_score(*map(torch.from_numpy, inputs.features)).tolist()
    return {sample.id: score for sample, score in zip(inputs.samples, scores, strict=True)}


def estimate(inputs: Inputs) -> Estimate:
    """Mean over the images of a slice."""
    return mean_estimate(per_image(inputs), inputs, truncation_note(inputs))


def measures(scorer: ScorerName) -> tuple[Measure, ...]:
    """With a network."""
    return (Measure(cards.clip_score(scorer), estimate, per_image, frozenset({"encoder"})),)
