from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from evalsuite.metrics.frechet import (
    distance_with_influences,
    frechet_distance,
    frechet_distance_of,
    frechet_infinity,
    influences,
    symmetric_root,
)
from evalsuite.reference import Moments, moments
from evalsuite.stats import cluster_error, interval


def spectrum(d: int) -> np.ndarray:
    """Variances that fall like those of real features."""
    return 1 / np.arange(1, d + 1)


def draw(generator: np.random.Generator, n: int, d: int, shift: float = 0.0) -> np.ndarray:
    return generator.standard_normal((n, d)) * np.sqrt(spectrum(d)) + shift


def exact(d: int) -> Moments:
    return Moments(np.zeros(d), np.diag(spectrum(d)), 10**6)


def gaussian(mean: list[float], covariance: list[list[float]]) -> Moments:
    return Moments(np.array(mean, float), np.array(covariance, float), 100)


def test_closed_form_of_gaussians():
    a, b = gaussian([0, 1], [[4, 0], [0, 9]]), gaussian([3, 1], [[1, 0], [0, 4]])
    assert frechet_distance(a, b) == pytest.approx(9 + (2 - 1) ** 2 + (3 - 2) ** 2, abs=1e-12)
    one, other = gaussian([0], [[2]]), gaussian([0.5], [[3]])
    assert frechet_distance(one, other) == pytest.approx(0.25 + (math.sqrt(2) - math.sqrt(3)) ** 2, abs=1e-12)


def test_turning_both_changes_nothing(generator: np.random.Generator):
    a, b = draw(generator, 50, 6), draw(generator, 60, 6, 0.3)
    turn = np.linalg.qr(generator.standard_normal((6, 6)))[0]
    turned = frechet_distance(moments(a @ turn), moments(b @ turn))
    assert turned == pytest.approx(frechet_distance(moments(a), moments(b)), rel=1e-10)


def test_same_is_zero_order_does_not_matter_and_noise_adds(generator: np.random.Generator):
    a, b = (moments(draw(generator, 80, 8, shift)) for shift in (0, 0.2))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-10)
    rows, noise = draw(generator, 200, 8), generator.standard_normal((200, 8))
    distances = [frechet_distance_of(rows + level * noise, exact(8)) for level in (0, 0.3, 0.6, 1.2)]
    assert distances == sorted(distances)


@pytest.mark.parametrize(("n", "tolerance"), [(20, 1e-6), (400, 1e-9)])
def test_equals_torchmetrics_and_torch_fidelity(generator: np.random.Generator, n: int, tolerance: float):
    from torch_fidelity.metric_fid import fid_statistics_to_metric
    from torchmetrics.image.fid import _compute_fid

    a, b = moments(draw(generator, n, 32)), moments(draw(generator, 500, 32, 0.1))
    ours = frechet_distance(a, b)
    theirs = _compute_fid(*(torch.from_numpy(x) for x in (a.mean, a.covariance, b.mean, b.covariance)))
    assert ours == pytest.approx(theirs.item(), rel=tolerance)
    statistics = [{"mu": m.mean, "sigma": m.covariance} for m in (a, b)]
    other = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert ours == pytest.approx(float(other), rel=tolerance)


@pytest.mark.parametrize("n", [2, 10, 32])
def test_low_rank_path_equals_eigenvalues(generator: np.random.Generator, n: int):
    rows, reference = draw(generator, n, 32, 0.2), moments(draw(generator, 300, 32))
    assert frechet_distance_of(rows, reference) == pytest.approx(frechet_distance(moments(rows), reference), rel=1e-6)


def test_square_root_squares_back(generator: np.random.Generator):
    covariance = moments(draw(generator, 5, 12)).covariance
    root = symmetric_root(covariance)
    np.testing.assert_allclose(root @ root, covariance, atol=1e-12)


def test_bias_falls_as_one_over_n(generator: np.random.Generator):
    d, sizes = 16, (200, 400, 800)
    bias = [np.mean([frechet_distance_of(draw(generator, n, d), exact(d)) for _ in range(150)]) * n for n in sizes]
    assert bias[1:] == pytest.approx(bias[:-1], rel=0.06)


def test_influences_are_the_derivative(generator: np.random.Generator):
    for n in (12, 60):  # fewer and more rows than dimensions
        rows, reference = draw(generator, n, 20, 0.2), exact(20)
        predicted = influences(rows, reference)
        assert predicted.sum() == pytest.approx(0, abs=1e-9)

        def weighted(rows: np.ndarray, weight: np.ndarray, reference: Moments = reference) -> float:
            mean = weight @ rows
            factor = (rows - mean) * np.sqrt(weight * len(rows) / (len(rows) - 1))[:, None]
            values = np.linalg.svd(factor @ symmetric_root(reference.covariance), compute_uv=False)
            traces = (factor * factor).sum() + reference.covariance.trace()
            return float((mean - reference.mean) @ (mean - reference.mean) + traces - 2 * values.sum())

        step = 1e-4
        for i in range(3):
            up, down = (np.full(n, (1 - s) / n) + s * (np.arange(n) == i) for s in (step, -step))
            slope = (weighted(rows, up) - weighted(rows, down)) / (2 * step)
            assert slope == pytest.approx(predicted[i], rel=1e-5)


@pytest.mark.parametrize(("prompts", "d"), [(12, 32), (40, 16)])
def test_coverage_of_the_expected_distance(generator: np.random.Generator, prompts: int, d: int):
    """With fewer images than dimensions (24 of 32) and with more (80 of 16)."""
    reference, clusters = exact(d), np.repeat(np.arange(prompts), 2)
    found = []
    for _ in range(150):
        rows = math.sqrt(0.5) * (draw(generator, prompts, d)[clusters] + draw(generator, 2 * prompts, d))
        sums = np.bincount(clusters, weights=influences(rows, reference))
        error = cluster_error(sums.tolist(), 2 * prompts)
        found.append(interval(frechet_distance_of(rows, reference), error, prompts))
    centre = np.mean([one.value for one in found])
    covered = np.mean([one.low <= centre <= one.high for one in found])
    assert 0.88 <= covered <= 1


def test_extrapolation_removes_the_bias(generator: np.random.Generator):
    d, n, shift = 8, 240, 0.1
    reference, clusters = exact(d), [str(i // 2) for i in range(n)]
    members = np.arange(n) // 2
    plain, infinity, covered = [], [], 0
    true = d * shift**2
    for _ in range(40):
        rows = draw(generator, n, d, shift)
        plain.append(frechet_distance_of(rows, reference))
        infinity.append(frechet_infinity(rows, reference, clusters))
        error = cluster_error(np.bincount(members, weights=influences(rows, reference)).tolist(), n)
        found = interval(infinity[-1], error, n // 2)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= true <= found.high
    assert abs(np.mean(infinity) - true) < 0.25 * (np.mean(plain) - true)
    assert covered / 40 >= 0.85
    assert frechet_infinity(rows, reference, clusters) == infinity[-1]


def test_diagonal_gaussians_have_the_distance_of_their_standard_deviations(generator: np.random.Generator):
    """sum (m1 - m2)^2 + sum (s1 - s2)^2; turned, so that nothing is diagonal for the code."""
    d = 40
    s1, s2 = spectrum(d) ** 0.5, generator.uniform(0.1, 1, d)
    m1, m2 = generator.standard_normal((2, d))
    turn = np.linalg.qr(generator.standard_normal((d, d)))[0]
    a, b = (Moments(turn @ m, (turn * s**2) @ turn.T, 0) for m, s in ((m1, s1), (m2, s2)))
    want = float(((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum())
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-12)
    assert frechet_distance(b, a) == pytest.approx(want, rel=1e-12)


def by_eigenvectors(a: Moments, b: Moments) -> float:
    """The textbook form: symmetric root of one covariance, eigenvalues of what it makes of the other."""
    root = symmetric_root(b.covariance)
    values = torch.linalg.eigvalsh(torch.from_numpy(root @ a.covariance @ root)).clamp(min=0)
    shift = a.mean - b.mean
    return float(shift @ shift + a.covariance.trace() + b.covariance.trace() - 2 * values.sqrt().sum())


@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 64, 200])
def test_full_rank_by_cholesky_equals_eigenvectors_and_scipy(generator: np.random.Generator, d: int):
    from scipy.linalg import sqrtm

    a, b = moments(draw(generator, 3 * d + 5, d)), moments(draw(generator, 4 * d + 5, d, 0.1))
    assert b.factor.triangular
    got = frechet_distance(a, b)
    assert got == pytest.approx(by_eigenvectors(a, b), rel=1e-9)
    root = sqrtm(a.covariance @ b.covariance).real.trace()
    shift = a.mean - b.mean
    assert got == pytest.approx(float(shift @ shift + a.trace + b.trace - 2 * root), rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(30, 300), (300, 30), (30, 20), (20, 30), (64, 65), (65, 64)])
def test_rank_deficient_forms_agree(generator: np.random.Generator, n: int, m: int):
    """By moments, by rows, and by the singular values of both centred sets, which no covariance enters."""
    d = 64
    x, y = draw(generator, n, d, 0.2), draw(generator, m, d)
    a, b = moments(x), moments(y)
    singular = np.linalg.svd((x - a.mean) @ (y - b.mean).T, compute_uv=False).sum() / math.sqrt((n - 1) * (m - 1))
    want = float(((a.mean - b.mean) ** 2).sum() + a.trace + b.trace - 2 * singular)
    assert frechet_distance_of(x, b) == pytest.approx(want, rel=1e-8)
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-8)
    assert distance_with_influences(x, b)[0] == pytest.approx(want, rel=1e-8)


def test_a_reference_that_is_singular_for_an_unknown_reason_falls_back_to_eigenvectors(generator: np.random.Generator):
    x, y = (draw(generator, 100, 12, shift) for shift in (0.1, 0))
    y[:, 5] = 0  # a feature that never fires
    b = Moments(y.mean(0), np.cov(y.T), 0)
    assert not b.factor.triangular
    assert frechet_distance(moments(x), b) == pytest.approx(by_eigenvectors(moments(x), b), rel=1e-6)
    assert frechet_distance_of(x, b) == pytest.approx(by_eigenvectors(moments(x), b), rel=1e-6)


def test_a_wrong_number_of_images_does_not_change_a_distance(generator: np.random.Generator):
    a, b = (moments(draw(generator, 90, 10, shift)) for shift in (0.1, 0))
    lying = Moments(b.mean, b.covariance, 3)
    assert frechet_distance(a, lying) == pytest.approx(frechet_distance(a, b), rel=1e-9)


@pytest.mark.parametrize("n", [12, 60])
def test_distance_and_influences_come_from_one_decomposition(generator: np.random.Generator, n: int):
    rows, reference = draw(generator, n, 20, 0.2), moments(draw(generator, 200, 20))
    distance, found = distance_with_influences(rows, reference)
    assert distance == pytest.approx(frechet_distance_of(rows, reference), rel=1e-9)
    np.testing.assert_array_equal(found, influences(rows, reference))


def test_influences_are_the_derivative_for_a_singular_reference_too(generator: np.random.Generator):
    """A leave-one-out difference, which is the influence to first order: no weights, no code of ours but the value."""
    d, n = 24, 3000
    reference = moments(draw(generator, 12, d))
    rows = draw(generator, n, d, 0.1)
    found = influences(rows, reference)
    whole = frechet_distance_of(rows, reference)
    for i in range(3):
        left_out = (n - 1) * (whole - frechet_distance_of(np.delete(rows, i, axis=0), reference))
        assert left_out == pytest.approx(found[i], abs=0.01 * np.std(found))
