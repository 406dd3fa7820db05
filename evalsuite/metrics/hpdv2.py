"""HPDv2's table: scores of a style in chunks of 80 (arXiv:2306.09341; tgxs002/HPSv2, hpsv2/evaluation.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evalsuite.metrics import cards
from evalsuite.metrics.base import Estimate, Inputs, Measure, mean_estimate, notes, truncation_note
from evalsuite.metrics.hps import per_image
from evalsuite.scorers import ScorerName

CHUNK = 80
"""Images; a style of the benchmark has 800 prompts, ten chunks."""


class StyleScore(NamedTuple):
    """A style's line of the table.

    Attributes:
        mean: of the chunks' means. A short last chunk counts as much as the others.
        sd: of the chunks' means, divisor the number of chunks: how far chunks scatter, no error of the mean.
        chunks: how many.
        n: scores.
    """

    mean: float
    sd: float
    chunks: int
    n: int


def style_score(scores: Sequence[float], chunk: int = CHUNK) -> StyleScore:
    """The table's figures for one style.

    Args:
        scores: of its images in the order of the prompts, 100 x cosine.
        chunk: scores that stand next to each other in one chunk; the last one may have fewer.

    Raises:
        ValueError: no scores, a chunk below 1, or a score that is not finite.
    """
    values = _finite(scores)
    if chunk < 1:
        raise ValueError(f"chunks of {chunk} scores")
    means = [np.mean(values[start : start + chunk]) for start in range(0, len(values), chunk)]
    return StyleScore(float(np.mean(means)), float(np.std(means)), len(means), len(values))


def average(scores: Sequence[float]) -> float:
    """The table's "Averaged": the mean over all images of all styles, which weighs a style by its images.

    Raises:
        ValueError: no scores, or one that is not finite.
    """
    return float(np.mean(_finite(scores)))


def estimate(inputs: Inputs) -> Estimate:
    """A style's mean of chunk means where the slice is one style, else the mean over images."""
    scores = per_image(inputs)
    found = mean_estimate(scores, inputs, truncation_note(inputs))
    styles = {tag for sample in inputs.samples for tag in sample.tags}
    if found.value is None or len(styles) != 1:
        return found
    style = style_score([scores[sample.id] for sample in inputs.samples])
    shift = style.mean - found.value
    low, high = (end if end is None else end + shift for end in (found.low, found.high))
    said = f"{style.chunks} chunks of {CHUNK} images, standard deviation {style.sd:.3f}"
    return found._replace(value=style.mean, low=low, high=high, note=notes(found.note, said))


def measures(scorer: ScorerName) -> tuple[Measure, ...]:
    """With a network."""
    return (Measure(cards.hps_hpdv2(scorer), estimate, per_image, frozenset({"encoder", "preference"})),)


def _finite(scores: Sequence[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"a row of at least one finite score is needed, got {values.size} of shape {values.shape}")
    return values
