"""CLIP directional similarity: does the image change the way its prompt was changed (arXiv:2108.00946)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from evalsuite.metrics import cards
from evalsuite.metrics.base import Estimate, Inputs, Measure, mean_estimate, notes, truncation_note
from evalsuite.metrics.mean import MeanScore
from evalsuite.scorers import ScorerName

SHORTEST = 1e-3
"""Length under which the difference of two unit fp32 features is rounding, not a direction."""
USES = frozenset({"encoder"})
NO_CHANGE = 0.05
"""Length under which the difference of two image features counts as no visible change."""


def directional_similarity(image: Tensor, image0: Tensor, text: Tensor, text0: Tensor) -> Tensor:
    """Cosine of image change and text change: features are normalised, then subtracted (arXiv:2211.09800).

    Args:
        image: (n, d) features of the edited prompt's images.
        image0: (n, d) of the base prompt's images at the same size and seed.
        text: (n, d) of the edited prompts.
        text0: (n, d) of the base prompts.

    Returns:
        (n,) float64 in [-1, 1]; NaN where either change is shorter than SHORTEST and has no direction.
    """
    changed, asked = direction(image, image0), direction(text, text0)
    cosine = F.cosine_similarity(changed, asked, dim=-1).clamp(-1, 1)
    degenerate = (changed.norm(dim=-1) < SHORTEST) | (asked.norm(dim=-1) < SHORTEST)
    return cosine.masked_fill(degenerate, torch.nan)


def direction(after: Tensor, before: Tensor) -> Tensor:
    """Difference (n, d), in float64, of features brought to unit length."""
    return F.normalize(after.double(), dim=-1) - F.normalize(before.double(), dim=-1)


class CLIPDirection(MeanScore):
    """Mean directional similarity of feature pairs; pairs without a direction are left out and counted."""

    higher_is_better = True

    def update(self, image: Tensor, image0: Tensor, text: Tensor, text0: Tensor) -> None:
        """Add (n, d) features of edited image, base image, edited prompt and base prompt."""
        self.add(directional_similarity(image, image0, text, text0))


class Pairs(NamedTuple):
    """The edits of a slice that have a base: positions among the samples, and features (m, d)."""

    rows: list[int]
    image: Tensor
    image0: Tensor
    text: Tensor
    text0: Tensor


def pairs_of(inputs: Inputs) -> Pairs:
    """Every edit with its base."""
    rows = np.flatnonzero(inputs.paired)
    arrays = (inputs.features.image, inputs.base.image, inputs.features.text, inputs.base.text)
    return Pairs(rows.tolist(), *(torch.from_numpy(array[rows]) for array in arrays))


def per_image(inputs: Inputs) -> dict[str, float]:
    """Id of each edit with a direction to its similarity."""
    rows, *features = pairs_of(inputs)
    scores = directional_similarity(*features).tolist()
    return {inputs.samples[i].id: score for i, score in zip(rows, scores, strict=True) if score == score}


def estimate(inputs: Inputs) -> Estimate:
    """Mean over the edits of a slice."""
    scores = per_image(inputs)
    return mean_estimate(scores, inputs, notes(_pair_note(inputs, len(scores)), truncation_note(inputs)))


def image_similarity(inputs: Inputs) -> dict[str, float]:
    """Id of each edit to the cosine between its image and its base's."""
    pairs = pairs_of(inputs)
    cosines = F.cosine_similarity(pairs.image.double(), pairs.image0.double(), dim=-1).clamp(-1, 1).tolist()
    return {inputs.samples[i].id: cosine for i, cosine in zip(pairs.rows, cosines, strict=True)}


def estimate_image_similarity(inputs: Inputs) -> Estimate:
    """Mean over the edits of a slice."""
    scores = image_similarity(inputs)
    return mean_estimate(scores, inputs, "" if scores else "no edited prompt with its base in this slice")


def null_mean(pairs: Pairs, prompts: list[str]) -> float | None:
    """Mean similarity of image changes with the text changes of other prompts: what chance gives.

    Args:
        pairs: m edits.
        prompts: (m,) prompt id of each.

    Returns:
        Mean over all pairs of edits of different prompts; None when there are none.
    """
    changed, asked = direction(pairs.image, pairs.image0), direction(pairs.text, pairs.text0)
    valid = (changed.norm(dim=-1) >= SHORTEST) & (asked.norm(dim=-1) >= SHORTEST)
    changed, asked = F.normalize(changed[valid], dim=-1), F.normalize(asked[valid], dim=-1)
    ids = np.array(prompts)[valid.numpy()]
    # Sums over all pairs less those of one prompt: no m x m matrix.
    total, count = float(changed.sum(0) @ asked.sum(0)), len(ids) ** 2
    for prompt in sorted(set(ids.tolist())):
        same = torch.from_numpy(ids == prompt)
        total -= float(changed[same].sum(0) @ asked[same].sum(0))
        count -= int(same.sum()) ** 2
    return total / count if count else None


def _pair_note(inputs: Inputs, scored: int) -> str:
    pairs = pairs_of(inputs)
    edits = sum(sample.base is not None for sample in inputs.samples)
    if not edits:
        return "no edited prompt in this slice"
    unpaired, degenerate = edits - len(pairs.rows), len(pairs.rows) - scored
    still = int((direction(pairs.image, pairs.image0).norm(dim=-1) < NO_CHANGE).sum())
    chance = null_mean(pairs, [inputs.samples[i].prompt_id for i in pairs.rows])
    return notes(
        f"{degenerate} of {len(pairs.rows)} pairs without a direction left out" if degenerate else "",
        f"{unpaired} edits without a base image left out" if unpaired else "",
        f"{still} of {len(pairs.rows)} images hardly changed" if still else "",
        "" if chance is None else f"prompts shuffled: {chance:.3f}",
    )


def measures(scorer: ScorerName) -> tuple[Measure, ...]:
    """With a network: the direction, and the image similarity beside it."""
    direction, image = cards.clip_direction(scorer)
    return (
        Measure(direction, estimate, per_image, USES),
        Measure(image, estimate_image_similarity, image_similarity, USES),
    )
