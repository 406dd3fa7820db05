from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from evalsuite.metrics import CMMD
from evalsuite.metrics.cmmd import cmmd, estimate, measures
from evalsuite.reference import ANY, Reference
from evalsuite.scorers import SCENES


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def explicit(x: np.ndarray, y: np.ndarray, biased: bool) -> float:
    """Pair by pair, as the paper writes it."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return math.exp(-float(((a - b) ** 2).sum()) / (2 * 10**2))

    def mean(rows: np.ndarray) -> float:
        pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if biased or i != j]
        return math.fsum(kernel(rows[i], rows[j]) for i, j in pairs) / len(pairs)

    x, y = unit(x), unit(y)
    between = math.fsum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    return 1000 * (mean(x) + mean(y) - 2 * between)


@pytest.mark.parametrize("biased", [False, True])
def test_it_equals_the_sum_over_pairs(generator: np.random.Generator, biased: bool):
    x, y = generator.standard_normal((9, 5)) + 1, 3 * generator.standard_normal((7, 5))
    assert cmmd(x, y, biased) == pytest.approx(explicit(x, y, biased), rel=1e-10)


def test_length_is_no_matter_and_a_set_is_0_from_itself_with_the_bias_only(generator: np.random.Generator):
    x, y = generator.standard_normal((2, 20, 6))
    assert cmmd(5 * x, y / 7) == pytest.approx(cmmd(x, y), rel=1e-12)
    assert cmmd(x, x, biased=True) == pytest.approx(0, abs=1e-12)
    assert cmmd(x, x) < 0


def test_a_large_kernel_width_leaves_the_squared_distance_of_means(generator: np.random.Generator):
    """exp(-r^2 / 200) = 1 - r^2 / 200 + r^4 / 80000: to first order MMD^2 is |mean x - mean y|^2 / 100."""
    x, y = unit(generator.standard_normal((30, 4)) + 1), unit(generator.standard_normal((40, 4)))
    first = 1000 * float(((x.mean(0) - y.mean(0)) ** 2).sum()) / 100
    assert cmmd(x, y, biased=True) == pytest.approx(first, rel=0.02)


def test_the_bias_is_what_the_documentation_says(generator: np.random.Generator):
    """Both estimates differ by 1000 (1 - k) / n of x and the like of y, k the mean kernel of two different rows."""
    x, y = generator.standard_normal((2, 30, 256)) + 1  # cosines near 0.5
    difference = cmmd(x, y, biased=True) - cmmd(x, y)
    assert difference == pytest.approx(5 / 30 + 5 / 30, rel=0.05)


def test_metric_over_several_updates_equals_the_function(generator: np.random.Generator):
    x, y = generator.standard_normal((2, 30, 6))
    for biased in (False, True):
        metric = CMMD(y, biased)
        for part in torch.from_numpy(x).split([1, 20, 9]):
            metric.update(part)
        assert metric.compute().item() == pytest.approx(cmmd(x, y, biased), rel=1e-12)
    assert not metric.higher_is_better


def test_estimate_is_the_unbiased_one(sample: Callable, inputs: Callable, generator: np.random.Generator):
    x, y = (unit(generator.standard_normal((n, 6))).astype(np.float32) for n in (12, 40))
    reference = Reference({}, "test", "f" * 64, "none", "0" * 64, {ANY: y})
    given = inputs([sample(str(i)) for i in range(12)], x, x, reference=reference)
    got = estimate(given)
    assert got.value == pytest.approx(cmmd(x, y))
    assert got.low < got.value < got.high
    found = estimate(given).influences
    assert found is not None
    assert sum(found.values()) == pytest.approx(0, abs=1e-9)


def test_its_measure_needs_features_of_reference_images():
    (measure,) = measures(SCENES)
    assert measure.card.name == "cmmd@scenes"
    assert measure.uses == {"images", "reference", "rows"}
    assert (measure.estimate, measure.by_tag) == (estimate, False)
