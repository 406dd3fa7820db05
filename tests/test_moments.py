from __future__ import annotations

import numpy as np
import pytest
import torch

from evalsuite.moments import Moments, MomentSums, moments, without_rounding


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test here."""


def rows(n: int, d: int = 5, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.standard_normal((n, d)) @ random.standard_normal((d, d)) + 3


def streamed(features: np.ndarray, *cuts: int) -> MomentSums:
    parts = np.split(features, cuts)
    sums = MomentSums.about(torch.from_numpy(parts[0]).double().mean(0))
    for part in parts:
        sums.add(torch.from_numpy(part))
    return sums


def assert_same(got: Moments, want: Moments, tolerance: float = 1e-12) -> None:
    scale = np.abs(want.covariance).max()
    np.testing.assert_allclose(got.mean, want.mean, rtol=tolerance)
    np.testing.assert_allclose(got.covariance, want.covariance, atol=tolerance * scale)
    assert got.n == want.n


def test_streamed_moments_are_those_of_all_rows():
    features = rows(200)
    assert_same(streamed(features, 3, 50, 51, 180).moments(), moments(features))
    half = features.astype(np.float32)
    assert_same(streamed(half, 64, 128).moments(), moments(half))


def test_parts_merge_to_the_whole_whatever_their_shifts():
    features = rows(90)
    first, second = streamed(features[:20], 7), streamed(features[20:], 40)
    first.merge(second)
    assert_same(first.moments(), moments(features))
    empty = MomentSums.about(torch.zeros(5))
    empty.merge(first)
    assert_same(empty.moments(), moments(features))


def test_a_large_common_offset_does_not_cancel():
    """Sums of raw squares would keep none of the covariance's digits: 1e9^2 / 1 is beyond float64's 2^53."""
    small = rows(400)
    offset = small + 1e9
    want = moments(offset)  # from two passes
    assert_same(streamed(offset, 30, 200).moments(), want, 1e-11)
    raw = (offset.T @ offset - len(offset) * np.outer(offset.mean(0), offset.mean(0))) / (len(offset) - 1)
    assert np.abs(raw - want.covariance).max() > 0.1 * np.abs(want.covariance).max()


def test_rows_sorted_by_what_they_show_lose_little():
    """The first batch, whose mean is the shift, is a thousand standard deviations off the others."""
    features = np.concatenate([rows(8) + 1e4, rows(4000, seed=1)])
    assert_same(streamed(features, 8, 1000).moments(), moments(features), 1e-11)


def test_a_covariance_needs_two_rows():
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        streamed(rows(1)).moments()


@pytest.mark.parametrize("n", [3, 5, 6, 60])
def test_a_factor_multiplies_back_to_the_covariance(n: int):
    found = moments(rows(n))
    matrix, triangular = found.factor
    np.testing.assert_allclose(matrix @ matrix.T, found.covariance, atol=1e-12 * found.trace)
    assert triangular is (n > 5)
    assert matrix.shape[1] == min(5, n - 1)
    assert found.factor is found.factor


def test_a_factor_of_a_singular_covariance_of_unknown_rank_multiplies_back():
    covariance = np.diag([1.0, 0.0, 2.0])
    matrix, triangular = Moments(np.zeros(3), covariance, 0).factor
    np.testing.assert_allclose(matrix @ matrix.T, covariance, atol=1e-15)
    assert not triangular


def test_rounding_beyond_the_rank_is_dropped_but_nothing_else():
    values = torch.tensor([-1e-16, 1e-16, 1e-3, 1.0], dtype=torch.float64)
    assert without_rounding(values.clone(), 2).tolist() == [0, 0, 1e-3, 1]
    assert without_rounding(values.clone(), 4).tolist() == [0, 1e-16, 1e-3, 1]
    assert without_rounding(values.clone(), 1).tolist() == [0, 0, 1e-3, 1]  # the rank was wrong
