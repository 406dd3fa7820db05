"""How much neighbouring pixels differ: a metric that looks at files, not at features."""

from __future__ import annotations

import numpy as np

from evalsuite.images import read_rgb
from evalsuite.metrics.base import Estimate, Inputs, Measure, mean_estimate
from evalsuite.metrics.cards import MEAN_INTERVAL, MetricCard

CARD = MetricCard(
    name="sharpness@example",
    title="Sharpness",
    meaning="Mean absolute difference of horizontally neighbouring pixels.",
    range="0 to 255",
    unit="8-bit levels",
    higher_is_better=None,
    comparable="images of one size",
    interval=MEAN_INTERVAL,
    sources=(),
)


def per_image(inputs: Inputs) -> dict[str, float]:
    """Sample id to its sharpness."""
    pixels = {sample.id: read_rgb(sample.file).astype(np.float64) for sample in inputs.samples}
    return {id: float(np.abs(np.diff(rgb, axis=1)).mean()) for id, rgb in pixels.items()}


def estimate(inputs: Inputs) -> Estimate:
    """Mean over the images of a slice."""
    return mean_estimate(per_image(inputs), inputs)


SHARPNESS = Measure(CARD, estimate, per_image, uses=frozenset())
