from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from evalsuite.metrics import VVariance
from evalsuite.metrics.v_variance import COARSE, MEASURES, estimate, per_image, straightness
from evalsuite.stats import clustered_ratio


def gaussian_path(mean: float, scale: float, steps: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Exact velocities (K, 1, n) of the flow from N(0, 1) to N(mean, scale^2), at midpoints of equal steps."""
    t = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    spread = (1 - t) ** 2 * scale**2 + t**2
    slope = ((1 + scale**2) * t - scale**2) / spread.sqrt()
    z = torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = (z - z.mean()) / z.std(correction=0)
    return (-mean + slope[:, None] * z)[:, None], torch.full((steps,), 1 / steps)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("mean", [0.7, 3.0])
def test_gaussian_closed_form(mean: float, scale: float):
    variance, power = straightness(*gaussian_path(mean, scale, 200, 500))
    assert variance.item() == pytest.approx(scale * (2 - math.pi / 2), rel=0.01)
    assert power.item() == pytest.approx(mean**2 + (1 - scale) ** 2, rel=0.01)


def test_straight_paths_are_zero_and_scale_cancels():
    constant = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(0)).expand(6, 3, 4, 5)
    metric = VVariance()
    metric.update(constant, torch.full((6,), 1 / 6))
    assert metric.compute().item() == pytest.approx(0, abs=1e-12)
    velocity, weight = gaussian_path(0.7, 0.5, 20, 50)
    one, tenfold = VVariance(), VVariance()
    one.update(velocity, weight)
    tenfold.update(10 * velocity, weight)
    assert tenfold.compute().item() == pytest.approx(one.compute().item(), rel=1e-9)


def test_metric_over_several_updates_is_the_ratio_of_sums():
    velocity = torch.randn(5, 6, 3, 2, generator=torch.Generator().manual_seed(0))
    weight = torch.tensor([0.1, 0.3, 0.2, 0.2, 0.2])
    metric = VVariance()
    for part in torch.arange(6).split([1, 2, 3]):
        metric.update(velocity[:, part], weight)
    variance, power = straightness(velocity, weight)
    assert metric.compute().item() == pytest.approx((variance.sum() / power.sum()).item(), rel=1e-12)


def test_estimate_is_a_clustered_ratio(sample: Callable, inputs: Callable, trace: Callable):
    given = [(1.0, 2.0, "a"), (2.0, 5.0, "a"), (4.0, 3.0, "b"), (1.0, 9.0, "c")]
    samples = [sample(name, index=i, trace=trace(s, p, s / 2)) for i, (s, p, name) in enumerate(given)]
    whole = inputs([*samples, sample("d")], np.zeros((5, 0)), np.zeros((5, 0)))
    expected = clustered_ratio(*([row[i] for row in given] for i in (0, 1, 2)))
    got = estimate(whole)
    assert got[:3] == pytest.approx((expected.value, expected.low, expected.high))
    assert (got.n, got.note) == (4, "1 images without a trace left out")
    conditional = MEASURES[1].estimate(whole)
    assert conditional is not None
    assert conditional.value == pytest.approx(expected.value / 2)
    assert list(per_image(whole).values()) == pytest.approx([s / p for s, p, _ in given])


def test_a_model_that_predicts_zero_has_no_value(sample: Callable, inputs: Callable, trace: Callable):
    whole = inputs([sample("a", trace=trace(0.0, 0.0)), sample("b", trace=trace(0.0, 0.0))], *[np.zeros((2, 0))] * 2)
    got = estimate(whole)
    assert got[:3] == (None, None, None)
    assert got.note == "the mean velocity is 0: the ratio is undefined"
    assert per_image(whole) == {}


@pytest.mark.parametrize(("steps", "said"), [(49, True), (50, False)])
def test_few_steps_say_that_the_value_is_the_samplers(
    sample: Callable, inputs: Callable, trace: Callable, steps: int, said: bool
):
    samples = [sample("a", trace=trace(1.0, 2.0, steps=50)), sample("b", trace=trace(1.0, 2.0, steps=steps))]
    note = estimate(inputs(samples, *[np.zeros((2, 0))] * 2)).note
    assert (note == COARSE) is said
    assert bool(note) is said
    assert "--sampler midpoint --steps 50 or more" in COARSE
