from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.kid import poly_mmd

from evalsuite.metrics import KernelDistance
from evalsuite.metrics.kid import estimate, kernel_distance, kernel_distance_of_subsets, measures
from evalsuite.reference import ANY, Reference
from evalsuite.scorers import SCENES


def draw(generator: np.random.Generator, n: int, d: int = 16, shift: float = 0.0) -> np.ndarray:
    return generator.standard_normal((n, d)) + shift


def test_all_pairs_equal_torchmetrics_on_one_subset_of_all(generator: np.random.Generator):
    x, y = draw(generator, 70), draw(generator, 70, shift=0.1)
    theirs = poly_mmd(torch.from_numpy(x), torch.from_numpy(y))
    assert kernel_distance(x, y) == pytest.approx(theirs.item(), rel=1e-10)


def test_subsets_equal_torch_fidelity_with_the_same_seed(generator: np.random.Generator):
    x, y = draw(generator, 120), draw(generator, 150, shift=0.1)
    theirs = kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=20, kid_subset_size=50, rng_seed=2020, verbose=False
    )
    ours = kernel_distance_of_subsets(x, y, subsets=20, size=50)
    assert ours.mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-10)
    assert ours.deviation == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-10)
    with pytest.raises(ValueError, match="subsets of 121 cannot be drawn from 120 and 150 rows"):
        kernel_distance_of_subsets(x, y, size=121)


def test_subsets_of_all_rows_are_the_distance_itself(generator: np.random.Generator):
    x, y = draw(generator, 40), draw(generator, 40, shift=0.1)
    found = kernel_distance_of_subsets(x, y, subsets=3, size=40)
    assert found.mean == pytest.approx(kernel_distance(x, y), rel=1e-9)
    assert found.deviation == pytest.approx(0, abs=1e-12)


def test_expectation_of_shifted_gaussians_has_a_closed_form(generator: np.random.Generator):
    """In one dimension, x ~ N(a, 1): E (x x' + 1)^3 from the moments 1, a, a^2 + 1, a^3 + 3 a of both."""

    def mean_kernel(a: float, b: float) -> float:
        first, second = ((1, m, m**2 + 1, m**3 + 3 * m) for m in (a, b))
        return sum(binomial * p * q for binomial, p, q in zip((1, 3, 3, 1), first, second, strict=True))

    true = mean_kernel(1, 1) + mean_kernel(0, 0) - 2 * mean_kernel(1, 0)
    values = [kernel_distance(draw(generator, 50, 1, 1), draw(generator, 50, 1)) for _ in range(400)]
    assert np.mean(values) == pytest.approx(true, abs=3.5 * np.std(values) / 20)


def test_metric_over_several_updates_equals_the_function(generator: np.random.Generator):
    x, y = draw(generator, 30).astype(np.float32), draw(generator, 40, shift=0.2)
    metric = KernelDistance(y)
    for part in torch.from_numpy(x).split([1, 20, 9]):
        metric.update(part)
    got = metric.compute()
    assert got.dtype == torch.float64
    assert got.item() == pytest.approx(kernel_distance(x, y), rel=1e-12)
    assert not metric.higher_is_better
    metric.reset()
    metric.update(torch.from_numpy(x[:1]))
    with pytest.raises(ValueError, match="n, m >= 2, got"):
        metric.compute()


def test_estimate_is_a_thousand_times_the_distance(sample: Callable, inputs: Callable, generator: np.random.Generator):
    x, y = draw(generator, 12).astype(np.float32), draw(generator, 40).astype(np.float32)
    reference = Reference({}, "test", "f" * 64, "none", "0" * 64, {ANY: y})
    given = inputs([sample(str(i)) for i in range(12)], x, x, reference=reference)
    assert estimate(given).value == pytest.approx(1000 * kernel_distance(x, y))
    found = estimate(given).influences
    assert found is not None
    assert sum(found.values()) == pytest.approx(0, abs=1e-9)


def test_its_measure_needs_features_of_reference_images():
    (measure,) = measures(SCENES)
    assert measure.card.name == "kid@scenes"
    assert measure.uses == {"images", "reference", "rows"}
    assert (measure.estimate, measure.by_tag) == (estimate, False)
