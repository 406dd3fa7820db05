from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from evalsuite.metrics import mmd
from evalsuite.metrics.cmmd import gaussian
from evalsuite.metrics.kid import cubic
from evalsuite.metrics.mmd import discrepancy
from evalsuite.reference import ANY, Reference
from evalsuite.stats import cluster_error, interval

Draw = Callable[[int, int], np.ndarray]


def reference_of(features: dict[str, np.ndarray]) -> Reference:
    return Reference({}, "test", "f" * 64, "none", "0" * 64, features)


def bilinear(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a @ b.T


def test_of_the_bilinear_kernel_it_is_the_squared_distance_of_means_without_its_bias(generator: np.random.Generator):
    x, y = generator.standard_normal((30, 3)), generator.standard_normal((20, 3)) + 1
    shift = x.mean(0) - y.mean(0)
    bias = sum(np.cov(rows.T).trace() / len(rows) for rows in (x, y))
    assert discrepancy(x, y, bilinear).value == pytest.approx(shift @ shift - bias, rel=1e-12)


@pytest.mark.parametrize("kernel", [cubic, gaussian])
def test_it_is_unbiased_over_all_samples_there_are(kernel: mmd.Kernel):
    """Pairs of samples of two with replacement from two worlds of three and two points: 36 cases, equally likely."""
    p, q = np.array([[0.0, 1], [2, 0], [1, 1]]), np.array([[1.0, -1], [0, 3]])
    values = [
        discrepancy(p[list(i)], q[list(j)], kernel).value
        for i in itertools.product(range(3), repeat=2)
        for j in itertools.product(range(2), repeat=2)
    ]
    a, b = torch.from_numpy(p), torch.from_numpy(q)
    true = kernel(a, a).mean() + kernel(b, b).mean() - 2 * kernel(a, b).mean()
    assert np.mean(values) == pytest.approx(true.item(), abs=1e-14)


@pytest.mark.parametrize("kernel", [cubic, gaussian])
def test_tiles_add_up_to_the_whole_matrix(
    generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch, kernel: mmd.Kernel
):
    x, y = generator.standard_normal((23, 4)), generator.standard_normal((17, 4))
    whole = discrepancy(x, y, kernel)
    monkeypatch.setattr(mmd, "TILE", 5)
    tiled = discrepancy(x, y, kernel)
    assert tiled.value == pytest.approx(whole.value, rel=1e-11)
    np.testing.assert_allclose(tiled.influences, whole.influences, atol=1e-14)


@pytest.mark.parametrize("kernel", [cubic, gaussian])
def test_influences_are_what_leaving_a_row_out_changes(generator: np.random.Generator, kernel: mmd.Kernel):
    x, y = generator.standard_normal((400, 4)), generator.standard_normal((300, 4)) + 0.5
    found = discrepancy(x, y, kernel)
    assert found.influences.sum() == pytest.approx(0, abs=1e-12 * np.abs(found.influences).max() * 400)
    for i in range(3):
        # Exact for a U-statistic of degree 2: the jackknife's pseudo-value is the influence, up to a factor near 1.
        left_out = (400 - 1) * (found.value - discrepancy(np.delete(x, i, axis=0), y, kernel).value)
        assert left_out == pytest.approx(found.influences[i] * 400 / 399, abs=0.02 * np.std(found.influences))


@pytest.mark.parametrize("shift", [0.5, 0.1, 0.0])
def test_coverage_of_the_expected_discrepancy_from_a_given_reference(generator: np.random.Generator, shift: float):
    """Two images of each of 40 prompts. Nominal 0.95, from which three standard errors of 300 runs are 0.04.

    Without a shift the projection all but vanishes, and the interval may be too wide but not too narrow.
    """
    d, prompts, runs = 6, 40, 300
    y, clusters = generator.standard_normal((400, d)), np.repeat(np.arange(prompts), 2)
    found = []
    for _ in range(runs):
        own, shared = generator.standard_normal((2 * prompts, d)), generator.standard_normal((prompts, d))[clusters]
        value, influences = discrepancy(math.sqrt(0.5) * (own + shared) + shift, y, cubic)
        sums = np.bincount(clusters, weights=influences)
        found.append(interval(value, cluster_error(sums.tolist(), 2 * prompts), prompts))
    centre = np.mean([one.value for one in found])
    covered = np.mean([one.low <= centre <= one.high for one in found])
    assert covered >= 0.95 - 0.04


@pytest.mark.parametrize("kernel", [cubic, gaussian])
def test_equal_distributions_are_0_apart_within_the_interval(generator: np.random.Generator, kernel: mmd.Kernel):
    values = [discrepancy(*generator.standard_normal((2, 60, 5)), kernel).value for _ in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(200)
    assert min(values) < 0 < max(values)


def test_a_reference_is_summed_once_where_nobody_can_change_it(generator: np.random.Generator):
    x, y = generator.standard_normal((20, 3)), generator.standard_normal((30, 3))
    calls = []

    def counted(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return bilinear(a, b)

    before = discrepancy(x, y, counted)
    y += 1  # still ours to change: nothing may be remembered of it
    assert discrepancy(x, y, counted).value != pytest.approx(before.value)
    assert len(calls) == 6
    y.flags.writeable = False
    want = discrepancy(x, y, counted).value
    assert discrepancy(x, y, counted).value == want
    assert len(calls) == 6 + 3 + 2


@pytest.mark.parametrize("shapes", [((1, 3), (4, 3)), ((4, 3), (1, 3)), ((4, 3), (4, 2))])
def test_too_few_rows_or_unlike_ones_are_refused(shapes: tuple[tuple[int, int], tuple[int, int]]):
    with pytest.raises(ValueError, match="n, m >= 2, got"):
        discrepancy(np.zeros(shapes[0]), np.zeros(shapes[1]), cubic)


def test_estimate_compares_with_the_slices_own_mix_of_aspects(sample: Callable, inputs: Callable, features: Draw):
    reference = reference_of({"1:1": features(40, 4), "3:2": features(20, 4) + 1})
    rows = features(9, 4)
    samples = [sample(str(i // 3), aspect="3:2" if i % 3 == 0 else "1:1", index=i) for i in range(9)]
    given = inputs(samples, rows, rows, reference=reference)
    got = mmd.estimate(given, cubic)
    compared = reference.rows({"1:1": 6, "3:2": 3})
    assert got.value == pytest.approx(1000 * discrepancy(rows, compared, cubic).value)
    assert got.low < got.value < got.high
    assert (got.n, got.note) == (9, "60 reference images")
    assert got.method == "influence, 95% t, clustered by prompt (G=3)"
    found = mmd.estimate(given, cubic).influences
    assert list(found) == [one.id for one in samples]
    sums = [9 * sum(found[one.id] for one in samples[i : i + 3]) for i in (0, 3, 6)]
    assert got.high == pytest.approx(interval(got.value, cluster_error(sums, 9), 3).high)


def test_without_what_it_needs_there_is_no_value_and_a_reason(sample: Callable, inputs: Callable, features: Draw):
    rows, two = features(2, 4), [sample("a"), sample("b")]
    cases = [
        (inputs(two, rows, rows), "no reference images"),
        (
            inputs(two, rows, rows, reference=reference_of({})),
            "the reference keeps no features for these aspect ratios",
        ),
        (
            inputs(two[:1], rows[:1], rows[:1], reference=reference_of({ANY: features(9, 4)})),
            "a kernel distance needs at least 2 images",
        ),
    ]
    for given, reason in cases:
        got = mmd.estimate(given, cubic)
        assert (got.value, got.low, got.high, got.note) == (None, None, None, reason)
        assert mmd.estimate(given, cubic).influences is None


def test_one_prompt_has_a_value_but_no_interval(sample: Callable, inputs: Callable, features: Draw):
    rows = features(5, 4)
    samples = [sample("a", index=i) for i in range(5)]
    got = mmd.estimate(inputs(samples, rows, rows, reference=reference_of({ANY: features(9, 4)})), cubic)
    assert got.value is not None
    assert (got.low, got.high) == (None, None)
