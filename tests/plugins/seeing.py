"""Measures whose answer is known beforehand, that tests name as ``seeing:NAME``; they look at files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from evalsuite.images import read_rgb
from evalsuite.metrics.base import Estimate, Inputs, Measure, mean_estimate
from evalsuite.metrics.cards import MetricCard
from evalsuite.samples import Sample


def measure(name: str, value: Callable[[Sample], float], higher_is_better: bool | None = True) -> Measure:
    """The mean of a value of single images."""

    def per_image(inputs: Inputs) -> dict[str, float]:
        return {sample.id: value(sample) for sample in inputs.samples}

    def estimate(inputs: Inputs) -> Estimate:
        return mean_estimate(per_image(inputs), inputs)

    card = MetricCard(f"{name}@test", name, "", "", "levels", higher_is_better, "", "", ())
    return Measure(card, estimate, per_image, frozenset())


def _brightness(sample: Sample) -> float:
    return float(read_rgb(sample.file).mean())


def _sharpness(sample: Sample) -> float:
    return float(np.abs(np.diff(read_rgb(sample.file).astype(np.float64), axis=1)).mean())


def _chance(sample: Sample) -> float:
    return int(hashlib.sha256(sample.pixel_sha256.encode()).hexdigest()[:8], 16) / 2**32


BRIGHTNESS = measure("brightness", _brightness)
SHARPNESS = measure("sharpness", _sharpness)
BLURRINESS = measure("blurriness", lambda sample: -_sharpness(sample))
CHANCE = measure("chance", _chance)
NEUTRAL = measure("neutral", _sharpness, None)
